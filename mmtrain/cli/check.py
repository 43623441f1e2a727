"""placeholder"""
NAME = "check"
def command() -> None:
    """x"""
