"""The training of the founding notebook, timed: run by ``training_input`` with a Python that has TensorFlow.

Prints slices per second of one epoch after a warm-up epoch.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, models

try:
    from tensorflow.keras.preprocessing.image import ImageDataGenerator
except ImportError:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator


def main() -> None:
    pixels = np.load(sys.argv[1], mmap_mode="r")
    pictures = np.repeat(np.asarray(pixels)[..., None], 3, axis=3).astype(np.float32) / 255
    targets = np.eye(4, dtype=np.float32)[np.arange(len(pictures)) % 4]
    base = tf.keras.applications.ResNet50(weights=None, include_top=False, input_shape=(256, 256, 3))
    for layer in base.layers[:-20]:
        layer.trainable = False
    pooled = layers.GlobalAveragePooling2D()(base.output)
    hidden = layers.Dropout(0.5)(layers.Dense(128, activation="relu")(pooled))
    model = models.Model(base.input, layers.Dense(4, activation="softmax")(hidden))
    model.compile(optimizer=tf.keras.optimizers.Adam(1e-4), loss="categorical_crossentropy", metrics=["accuracy"])
    generator = ImageDataGenerator(
        rotation_range=30, width_shift_range=0.2, height_shift_range=0.2,
        zoom_range=0.2, shear_range=0.2, horizontal_flip=True,
    )  # fmt: skip
    model.fit(generator.flow(pictures[:64], targets[:64], batch_size=32), epochs=1, verbose=0)
    start = time.perf_counter()
    model.fit(generator.flow(pictures, targets, batch_size=32), epochs=1, verbose=0)
    print(len(pictures) / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
