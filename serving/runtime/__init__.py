"""What runs beside a model, in the model's own environment: nothing of ours but this folder, no Django.

Started as `<environment>/bin/python -I <this folder> --model … --socket …`. Its modules must run on every interpreter
that MLflow 2 and later supports.
"""
