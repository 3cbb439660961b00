"""The sentences of synthetic reports, several for each thing that may be said. The wording is ours."""

AFFIRMED = (
    "{Degree} coronary artery calcification, involving the {vessels}.",
    "There are {degree} calcified plaques in the {vessels}.",
    "Coronary calcium is present in the {vessels}, Agatston score {score}.",
    "Calcific atherosclerosis of the {vessels}, {degree}.",
    "{Degree} calcifications along the {vessels}.",
)
DENIED = (
    "No coronary artery calcification.",
    "No evidence of coronary calcium.",
    "The coronary arteries are free of calcification.",
    "Coronary calcium score: 0.",
    "Calcified plaque of the coronary arteries is not seen.",
    "The coronary arteries arise normally, without calcification.",
)
VAGUE = (
    "The coronary arteries are not well assessed on this examination.",
    "Coronary calcification cannot be excluded because of motion.",
    "Possible faint calcification along the left coronary artery, versus noise.",
    "Evaluation of the coronary arteries is limited, calcium may be present.",
)
UNMENTIONED = ("The coronary arteries arise normally.", "")
HINT = "Cardiovascular risk modification is recommended."
"""Follows from calcium that was seen, without stating it."""
VESSELS = {
    "LM": ("left main coronary artery", "LM"),
    "LAD": ("left anterior descending artery", "LAD"),
    "LCx": ("left circumflex artery", "LCx"),
    "RCA": ("right coronary artery", "RCA"),
}
AORTA = {True: "Calcified plaque of the aortic wall.", False: "No calcification of the thoracic aorta."}
VALVES = {True: "Calcification of the aortic or mitral valve.", False: "The valves are unremarkable."}
STENT = {True: "Coronary stent in situ.", False: ""}
LUNGS = (
    "The lungs are clear.",
    "No pleural effusion, pneumothorax or consolidation.",
    "Calcified granuloma in the right upper lobe, unchanged.",
    "Mild emphysema, no suspicious nodule.",
    "Small nodule in the left lower lobe, follow-up is recommended.",
)
REST = (
    "No pericardial effusion.",
    "Heart size is normal.",
    "No enlarged lymph nodes.",
    "Degenerative changes of the thoracic spine.",
    "The heart is mildly enlarged.",
    "No significant change of the mediastinum.",
)
HISTORY = ("chest pain", "dyspnoea", "smoker, cough", "hypertension", "preoperative", "diabetes")
TECHNIQUE = "CT of the chest {contrast} intravenous contrast, {protocol}."
SIGNED = (
    "Dictated by Dr. Ottoline Brandvold.",
    "Electronically signed: M. Castellane, MD.",
    "Report approved by Dr. Ladislav Winterbourne.",
    "Discussed with Dr. Ffion Achterberg by telephone.",
)
PATIENTS = ("Quentin Marchbanks", "Rosalind Featherstone", "Ignatius Oyelaran", "Wilhelmina Stradling")
"""Made-up people, named so that a name that leaves a report can be found."""
