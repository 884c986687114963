"""The colours of every chart: told apart with any kind of colour vision (Okabe and Ito), and in grey as well.

In grey they are dark, middle and light; hatching helps where two of them touch.
"""

BLUE, ORANGE, PALE, INK = "#0072B2", "#E69F00", "#DDDDDD", "#333333"
