def report(runs, folder):
    pass
