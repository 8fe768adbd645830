"""The JSON that the service sends and the forms that it takes, as pydantic models: they describe the API.

Responses are not validated when they are sent; tests validate them against these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gadolin.explanations.registry import METHODS
from gadolin.phantoms import CLASSES
from gadolin.server.settings import Limits

__all__ = [
    "DicomForm",
    "DicomResults",
    "ExplainForm",
    "Explanations",
    "Health",
    "Job",
    "JobForm",
    "Model",
    "PredictForm",
    "Predictions",
    "Problem",
    "Ready",
]

Code = Annotated[str, Field(pattern="^[a-z0-9_]+$", description="Stable name of the problem, for programs.")]
Pixel = Annotated[list[int], Field(min_length=2, max_length=2)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Counts = Annotated[dict[str, int], Field(description="The number of files by code.")]
Sequence = Literal["T1", "T1c", "T2", "FLAIR", "PD"]
Methods = Annotated[str, Field(json_schema_extra={"enum": [name for name, one in METHODS.items() if not one.torch]})]


def absent(description: str) -> Any:
    """Return a field that the object may lack, and that is not null if it is there."""
    return Field(default=None, description=description, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Problem(BaseModel):
    """A request that failed, as RFC 9457 describes it."""

    type: str = Field(description="Always about:blank; `code` distinguishes the kinds of problems.")
    title: str = Field(description="The name of the status.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    code: Code
    detail: str = Field(description="Rule, finding and remedy, for people; the wording may change.")


class Failure(BaseModel):
    """A file, or a slice of it, without a result."""

    path: str = Field(description="The file, as the request names it; - for the standard input of a command.")
    frame: int | None = Field(
        ge=0, description="Index of the slice in a file of several, from 0, in anatomical order; null for other files."
    )
    code: Code
    error: str = Field(description="The path and the problem, for people.")


class LeftOut(BaseModel):
    """A file that was skipped on purpose, such as a hidden one in an archive."""

    path: str = Field(description="The file, as the request names it; - for the standard input of a command.")
    code: Code
    reason: str = Field(description="The reason, for people.")


class _Document(BaseModel):
    format: int = Field(description="Version of the JSON of Gadolin.")
    notice: str = Field(description="What the results must not be used for.")
    model: str = Field(description="Digest of the model; equal digests mean equal models.")
    errors: list[Failure] = Field(description="Files and slices that could not be read or explained.")
    errors_by_code: Counts
    left_out: list[LeftOut] = Field(description="Files that were skipped in a folder or archive.")
    left_out_by_code: Counts


class Verdict(BaseModel):
    """The file of a slice, and the predicted class or the reason to abstain."""

    path: str = Field(description="The file, as the request names it; - for the standard input of a command.")
    frame: int | None = Field(
        ge=0, description="Index of the slice in a file of several, from 0, in anatomical order; null for other files."
    )
    label: str | None = Field(description="The predicted class; null if the model abstains.")
    abstained: bool = Field(
        description="Whether the model abstains from a class. With kind_not_validated and kind_uncertain it still "
        "suspects a tumour, with the probability p_tumour."
    )
    reason_code: str | None = Field(
        description="Why the model abstains, for programs: the first that applies of colour_image, several_slices, "
        "out_of_distribution, low_confidence. Instead of the last, a model that predicts tumour and kind separately "
        "has tumour_uncertain, sequence_not_validated, kind_not_validated, kind_uncertain."
    )
    reason: str | None = Field(description="The reason, for people; the wording may change.")
    sequence: Sequence | None = Field(description="The MRI sequence that the model recognises; null if none.")
    header_sequence: Sequence | None = Field(
        description="The MRI sequence according to the times and the contrast agent in the DICOM header; null if these "
        "do not determine one. If it differs from sequence, only classes validated on both are predicted."
    )
    p_tumour: float | None = Field(
        ge=0,
        le=1,
        description="Calibrated probability that the slice shows a tumour of any kind; null if the model "
        "does not provide it.",
    )
    validated: bool | None = Field(
        description="Whether the model was validated, on this sequence, for the class that it predicts, or would "
        "predict without abstention; null if the model does not list validated classes."
    )


class Series(BaseModel):
    """The DICOM series of a slice, and the position of the slice in it."""

    key: str = Field(description="Identifies the series: a digest of its UID.")
    number: int | None = Field(description="The series number in the header.")
    description: str = Field(description="The description in the header; may be empty.")
    position_mm: float | None = Field(
        description="Position along the normal of the slices, mm; it grows towards the top of the head, the front or "
        "the right; null if unknown."
    )
    instance: int = absent("The instance number in the header.")


class Picture(BaseModel):
    """A slice as levels of 16 bits."""

    height: int = Field(description="Number of rows.")
    width: int = Field(description="Number of columns.")
    low: float = Field(description="The intensity of level 0.")
    high: float = Field(description="The intensity of level 65535.")
    window: Pair | None = Field(description="Display window of the file: centre and width, in its intensities.")
    spacing_mm: Pair | None = Field(description="Distance between rows and between columns, mm; null if unknown.")
    data: str = Field(description="Levels as 16-bit integers, little-endian, row by row, in base64.")


class Heat(BaseModel):
    """A heat map on the pixels of its slice."""

    height: int = Field(description="Number of rows.")
    width: int = Field(description="Number of columns.")
    scale: float = Field(ge=0, description="The heat that the byte 127 stands for.")
    data: str = Field(description="Signed bytes, row by row, in base64; above 0 is evidence for the class.")


class Evidence(Heat):
    """The evidence for the most probable class."""

    label: str = Field(alias="class", description="The class that is explained.")
    outline: list[list[Pixel]] = Field(description="Polygons [x, y] around the regions with heat above 0.")
    trust: str = Field(description="The measured reliability of such maps, or that this one is 0 everywhere.")


class Prediction(Verdict):
    """The prediction for one slice. The probabilities are there even if the model abstains."""

    probabilities: dict[str, float] = Field(
        description="Calibrated probability of each class, 0 to 1 to six decimals, in the order of the model; they "
        "sum to 1, up to rounding."
    )
    series: Series | None = Field(default=None, description="The DICOM series; null if there is none.")
    orientation: str | None = Field(
        default=None,
        description="What lies at the left, right, top and bottom edge, such as RLAP (R, L, A, P, S, I: right, left, "
        "anterior, posterior, superior, inferior); null if unknown.",
    )
    spacing_mm: Pair | None = Field(
        default=None, description="Distance between rows and between columns, mm; null if unknown."
    )
    model: str = Field(
        description="Digest of all that decides a prediction, 16 hexadecimal digits; equal digests mean equal models."
    )
    picture: Picture = absent("Only with include=picture.")
    evidence: Evidence = absent("Only with include=evidence.")


class Predictions(_Document):
    """The document of `gadolin predict --json`."""

    predictions: list[Prediction] = Field(description="One for each slice.")


class Explanation(BaseModel):
    """A heat map for one class by one method."""

    method: str = Field(description="The name of the method.")
    label: str = Field(alias="class", description="The class that is explained.")
    probability: float = Field(ge=0, le=1, description="The probability of that class.")
    samples: int = Field(description="How often the model was evaluated.")
    settings: dict[str, Any] = Field(description="The same settings give the same map.")
    hottest: Pixel | None = Field(description="Row and column of the hottest pixel; null if the map is 0 everywhere.")
    trust: str = Field(description="The measured reliability of such maps, or that this one is 0 everywhere.")
    heat: Heat = Field(description="The map.")


class ExplainedSlice(Verdict):
    """A slice with its explanations."""

    explanations: list[Explanation] = Field(description="A list of one: the explanation by the requested method.")


class Explanations(_Document):
    """Heat maps per slice."""

    explained: list[ExplainedSlice] = Field(description="One for each slice.")


class DicomObject(BaseModel):
    """A DICOM object of the results."""

    kind: Literal["report", "lesions", "overlay", "rejection"] = Field(
        description="SR, SEG, Secondary Capture, or Key Object Selection."
    )
    path: str = Field(description="Its file; in an archive, its name there.")
    sop_instance_uid: str = Field(description="Its UID.")
    series_instance_uid: str = Field(description="The UID of its series, which holds no images.")
    new: bool = Field(description="False if the earlier results in the request have it already.")


class DicomResults(_Document):
    """The document of `gadolin results --json`, and `results.json` in the ZIP archive of `/v1/dicom`."""

    slices: int = Field(description="Slices with a prediction, also if the model abstains.")
    answered: int = Field(description="Slices with a predicted class.")
    lesions_without_segmentation: int = Field(
        description="Number of predicted lesions without a segmentation, because the header has no complete geometry."
    )
    objects: list[DicomObject] = Field(description="The objects that were written.")


class Progress(BaseModel):
    """How far a job is."""

    done: int = Field(description="The finished units.")
    total: int = Field(description="All units.")
    unit: Literal["samples", "slices"] = Field(description="What is counted: samples of LIME and SHAP, else slices.")
    what: str = Field(
        description="What runs: waiting (in the queue), decode, predict or the name of a method; "
        "at the end done, failed or cancelled."
    )


class Job(BaseModel):
    """A job."""

    id: str = Field(description="The last part of the job's path.")
    kind: Literal["predict", "explain"] = Field(description="What it does.")
    status: Literal["queued", "running", "done", "failed", "cancelled"] = Field(description="Its state.")
    progress: Progress = Field(description="How far it is.")
    result: Predictions | Explanations = absent("Once the job is done: the response of /v1/predict or /v1/explain.")
    problem: Problem = absent("Once the job has failed: the reason.")


class Method(BaseModel):
    """An explanation method."""

    name: str = Field(description="The value of the field `method`.")
    available: bool = Field(description="Whether this service supports it.")
    reason: str = absent("Why it is not available.")


class Model(BaseModel):
    """The model, its methods, and the limits of a request."""

    format: int = Field(description="Version of the JSON of Gadolin.")
    notice: str = Field(description="What the results must not be used for.")
    model: str = Field(description="Digest of the model; equal digests mean equal models.")
    version: str = Field(description="Version of Gadolin.")
    classes: list[str] = Field(description="In the order of the model.")
    confidence_threshold: float = Field(description="The model abstains below this probability.")
    ood_threshold: float = Field(description="The model abstains above this OOD score; 0 for no such limit.")
    licence: str = Field(description="The licence of the weights; may be empty.")
    metrics: dict[str, Any] = Field(description="Results of the evaluation that the bundle contains.")
    methods: list[Method] = Field(description="The explanation methods.")
    trust: dict[str, dict[str, str]] = Field(description="The measured reliability of each method by class.")
    scores: dict[str, dict[str, dict[str, float]]] = Field(
        default={},
        description="By method and class: number of outlined slices (`n`), hit rate of the hottest pixel (`pointing`).",
    )
    phantoms: list[str] = Field(description="Classes of phantoms that /v1/phantom can draw.")
    limits: Limits = Field(description="The limits of requests.")


class Health(BaseModel):
    """The service is running."""

    status: Literal["ok"] = Field(description="Always ok.")


class Ready(BaseModel):
    """The service can predict."""

    status: Literal["ready"] = Field(description="Always ready.")


class _Form(BaseModel):
    files: list[bytes] = Field(min_length=1, description="Files, or ZIP archives.")
    plane: Literal["acquired", "axial", "coronal", "sagittal"] = Field(
        default="acquired", description="The plane in which volumes are cut."
    )
    frame: Annotated[int, Field(ge=0)] = absent(
        "Index of the slice to use, from 0, in a file that holds several; by default all."
    )
    only: str = absent("Only the file of this name, such as one inside an archive.")


class PredictForm(_Form):
    """Slices to predict."""

    include: str = Field(
        default="",
        pattern="^((picture|evidence)(,(picture|evidence))*)?$",
        description="What to return with each prediction: picture, evidence, or both separated by a comma.",
        examples=["picture,evidence"],
    )


class ExplainForm(_Form):
    """Slices to explain, and how."""

    method: Methods = Field(default="evidence", description="The explanation method.")
    label: Annotated[str, Field(alias="class", examples=[CLASSES[0]])] = absent(
        "The class to explain; by default the most probable one."
    )
    samples: int = Field(default=1000, ge=2, le=20_000, description="Largest number of model evaluations.")
    seed: int = Field(default=0, ge=0, description="Seed of the random choices.")
    pieces: int = Field(default=60, ge=2, le=1000, description="Approximate number of superpixels.")
    grids: int = Field(default=4, ge=1, le=64, description="Largest number of segmentations.")
    fill: Literal["blur", "mean", "inpaint"] = Field(default="blur", description="What replaces superpixels.")


class DicomForm(BaseModel):
    """The DICOM files of one series, for results as DICOM objects."""

    files: list[bytes] = Field(
        min_length=1,
        description="Files, or ZIP archives. Earlier results may be among them; a note rejects those that are "
        "replaced.",
    )
    overlays: bool = Field(default=False, description="Also draw the evidence over each slice with a predicted lesion.")


class JobForm(ExplainForm, PredictForm):
    """Slices to predict or explain as a job."""

    kind: Literal["predict", "explain"] = Field(default="explain", description="What to do.")
