// companion.economics: six_nd and training_bill.

/** Operations of a training run, device hours, days with all devices at work, dollars. */
function trainingBill({ parameters, tokens, peak, utilization, price, devices }) {
  const flops = 6 * parameters * tokens;
  const deviceHours = flops / (peak * utilization) / 3600;
  return { flops, deviceHours, days: deviceHours / devices / 24, dollars: deviceHours * price };
}
