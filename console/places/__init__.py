"""What the body of the screen can show: the orders of a stage, jobs, stock, shops and settings, abnormal orders.

A place knows its rows, its column titles, its detail and its keys; the desk around it draws and asks.
"""
