"""The colours and marks of a picture: one hue and one sign for each kind of step, by day and by night. Pure.

Before: nothing. After: `engine.graph.svg` and `engine.graph.mermaid` paint with them.
"""

# kind: (colour by day, colour by night)
HUES = {
    "email": ("#0b5d6b", "#5cc0cf"),
    "task": ("#9a5b00", "#f0b45a"),
    "wait": ("#5b5f97", "#a9aeea"),
    "branch": ("#7a3e8e", "#d49be6"),
    "goal": ("#1f7a3d", "#6fd08f"),
    "split": ("#a03a63", "#f08fb5"),
    "set": ("#4f6272", "#a7bccd"),
    "webhook": ("#4f6272", "#a7bccd"),
    "raise": ("#b3401f", "#ff9d7a"),
    "enter": ("#2f6fb0", "#85bdf5"),
    "leave": ("#8c1616", "#f29a9a"),
}

# Strokes in a square of 16, drawn with a line and no fill.
SIGNS = {
    "email": "M2 4h12v9H2zM2 4.5l6 5 6-5",
    "task": "M5 2.5c-1.5 0-2.5 1.2-2.3 2.7.6 4.2 3.9 7.5 8.1 8.1 1.5.2 2.7-.8 2.7-2.3l-2.8-1.3-1.3 1.3C7.7 10.2 5.8 8.3 5 6.6"
            "l1.3-1.3z",
    "wait": "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 4.7V8l2.3 1.6",
    "branch": "M8 2v4M8 6c0 3-4.5 2.5-4.5 6M8 6c0 3 4.5 2.5 4.5 6M2 10.5l1.5 2 1.7-1.8M10.8 10.7l1.7 1.8 1.5-2",
    "goal": "M4 14V2.5h8.5L10.3 5.5l2.2 3H4",
    "split": "M8 2v12M8 5L3.5 9.5V14M8 5l4.5 4.5V14",
    "set": "M3 13l.6-2.9L10.8 3l2.2 2.2-7.1 7.2zM9.3 4.5l2.2 2.2",
    "webhook": "M2.5 8h10M8.5 3.8L12.7 8l-4.2 4.2",
    "raise": "M5.2 9V4.2M7.3 8V2.8M9.4 8V3.3M11.5 9V5M11.5 8.5c0 3.5-1.2 5-3.3 5-2.2 0-3-1.3-4.7-4.3",
    "enter": "M6.5 2.5h7v11h-7M2 8h7.5M6.8 5.2L9.6 8l-2.8 2.8",
    "leave": "M9.5 2.5h-7v11h7M6 8h8M11.3 5.2L14 8l-2.7 2.8",
}  # fmt: skip
