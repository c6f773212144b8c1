"""The laws of `check_against`: a function and a plain formula of the same."""
