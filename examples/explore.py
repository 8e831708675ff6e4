# %% [markdown]
# # A study in a notebook
# Open this file in VS Code, Jupyter (with jupytext) or Spyder and run it cell by cell, or as a script from a folder with
# `study/`. It looks at what a model is unsure of, opens a round with the worst frames, and reads the measures.

# %%
import numpy as np
import polars as pl

import ivsqa

study = ivsqa.open("study")
status = study.status()
print(status.name, status.n_frames, status.n_annotated)
print("next:", *status.next_step)

# %% Score what is not scored yet, and look at the worst frames
study.score()
table = study.scores().table().sort("quality")
print(table.select("pullback_id", "frame_index", "quality", "dice_lumen", "dice_eem").head(10))

# %% How quality lies over subjects
of_subject = pl.DataFrame([(one.pullback_id, one.subject_id, one.split) for one in study.pullbacks()],
                          schema=["pullback_id", "subject_id", "split"], orient="row")  # fmt: skip
print(table.join(of_subject, on="pullback_id").group_by("subject_id").agg(pl.col("quality").mean()).sort("quality"))

# %% One frame: its grey, its contours, and where they are likely to be wrong
worst = table.row(0, named=True)
pullback = study.pullback(worst["pullback_id"])
grey = pullback.frames[worst["frame_index"]]
contours = pullback.contours()[worst["frame_index"]]
errors = pullback.error_maps(worst["frame_index"])
for name, contour in contours.items():
    inside = contour.mask(pullback.frame_shape)
    print(
        f"{name}: {contour.area_px2:.0f} px², mean grey {grey[inside].mean():.0f}, {errors[name].sum():.0f} px likely wrong"
    )
# In a notebook with matplotlib: plt.imshow(grey, cmap="gray"); plt.plot(*contours["lumen"].points_px.T)

# %% Open a round with the worst frames that may be chosen
chosen = study.select(2)
for frame in chosen.frames:
    print(frame.rank, frame.key, frame.reason)

# %% Areas along every pullback, with intervals
measures = study.measure()
print(measures.pullbacks.select("pullback_id", "mla_mm2", "n_frames"))
print("median lumen area:", np.round(measures.frames["lumen_area_mm2"].median() or float("nan"), 2), "mm²")
