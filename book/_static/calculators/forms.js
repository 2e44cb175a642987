// The two forms of the page: read the fields, say what is out of range, show the result in words.
const number = (value, digits = 0) => value.toLocaleString("en-US", { maximumFractionDigits: digits });
const dollars = (value) => "$" + number(value, value < 100 ? 2 : 0);

function values(form) {
  return Object.fromEntries([...form.elements].filter((e) => e.type === "number").map((e) => [e.name, e.valueAsNumber]));
}

/** The first field that is out of its range, in words; nothing where all are in. */
function complaint(form) {
  const wrong = [...form.elements].find((e) => e.type === "number" && e.offsetParent && !e.validity.valid);
  if (!wrong) return "";
  const label = form.querySelector(`label[for="${wrong.id}"]`).textContent.trim();
  return wrong.max ? `${label}: a number from ${wrong.min} to ${wrong.max}.` : `${label}: a number of at least ${wrong.min}.`;
}

function sampleSizeInWords(form) {
  const paired = form.elements.design.value === "paired";
  form.querySelectorAll("[data-design]").forEach((field) => (field.hidden = field.dataset.design !== form.elements.design.value));
  if (complaint(form)) return complaint(form);
  const { points, disputed, right, label } = values(form);
  const assumed = (paired ? disputed : right) / 100, difference = points / 100;
  if (paired && difference >= assumed) return "More than the difference must be in dispute: each point gained is an example in dispute.";
  if (!paired && assumed + difference >= 1) return "The difference leads beyond 100% right answers: take a smaller one.";
  const [alpha, power] = [form.elements.alpha, form.elements.power].map((e) => Number(e.value));
  const n = sampleSize({ paired, difference, alpha, power, assumed });
  if (n === null) return "Not even 100 million examples would do: take a larger difference.";
  const labeled = paired ? n : 2 * n;
  const unit = paired ? "examples, each judged by both models" : "examples in each of two groups";
  const test = paired ? "McNemar's test, mid-p" : "the z test of two shares";
  return `<strong>${number(n)}</strong> ${unit}. A true difference of ${points} points is then found with probability ${power} (${test}, two-sided, level ${alpha}). Labeling ${number(labeled)} examples costs <strong>${dollars(labeled * label)}</strong>.`;
}

function billInWords(form) {
  if (complaint(form)) return complaint(form);
  const { parameters, tokens, peak, utilization, price, devices } = values(form);
  const bill = trainingBill({ parameters: parameters * 1e9, tokens: tokens * 1e9, peak: peak * 1e12, utilization: utilization / 100, price, devices });
  const days = bill.days < 2 ? `${number(bill.days * 24, 1)} hours` : `${number(bill.days, 1)} days`;
  return `<strong>${dollars(bill.dollars)}</strong> for ${number(bill.deviceHours, 1)} device hours, ${days} on ${number(devices)} ${devices === 1 ? "device" : "devices"}. That is ${bill.flops.toExponential(2).replace("e+", " × 10^")} operations, ${number(tokens / parameters, 1)} tokens a parameter.`;
}

/** A slider and its field show one number. */
function pairSliders(form) {
  form.querySelectorAll("input[type=range]").forEach((slider) => {
    const field = document.getElementById(slider.dataset.field);
    slider.addEventListener("input", () => (field.value = slider.value));
    field.addEventListener("input", () => (slider.value = field.value));
  });
}

function connect(id, inWords) {
  const form = document.getElementById(id);
  const show = () => (form.querySelector("output").innerHTML = inWords(form));
  form.addEventListener("submit", (event) => event.preventDefault());
  pairSliders(form);
  form.addEventListener("input", show);
  form.querySelector("[data-presets]")?.addEventListener("change", (event) => {
    const [parameters, tokens] = event.target.value.split(" ");
    Object.assign(form.elements.parameters, { value: parameters });
    Object.assign(form.elements.tokens, { value: tokens });
    show();
  });
  show();
}

connect("sample-size", sampleSizeInWords);
connect("bill", billInWords);
