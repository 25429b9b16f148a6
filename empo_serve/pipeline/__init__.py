"""The main path.

answer()   hot    choose the version, pass the request to the engine under its name
learn()    cold   sample -> extract -> cluster -> entropy -> band -> buffer     main_path.py
update()   cold   lease -> job -> train -> gate -> publish -> rollout           updates.py
"""
