// An outside consumer in Node, as in the published example: the mqtt package and JSON.parse.
//
// node consumer.js URL SECONDS LEAST [until-least]: reads events for some seconds, or until LEAST have come, and prints a
// report as one JSON object. Ends with 1 where an event was not as published, or fewer than LEAST came.
const assert = require('node:assert/strict');
const mqtt = require('mqtt');

const [url, seconds, least, until] = process.argv.slice(2);
const report = { events: 0, detections: 0, per_source: {}, errors: [] };

function check(from, event) {
  assert.equal(from.split('/').at(-1), String(event.source_id), 'the topic names the source');
  assert.ok(Number.isInteger(event.frame_id), 'frame_id is whole');
  assert.match(event.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'timestamp is in UTC with milliseconds');
  assert.ok(!Number.isNaN(new Date(event.timestamp).getTime()), 'timestamp is a date');
  assert.equal(typeof event.model_id, 'string');
  for (const field of ['inference_time_ms', 'fps', 'latency_ms']) {
    assert.ok(Number.isFinite(event[field]), `${field} is a number`);
  }
  // JavaScript's numbers would round it.
  if ('ntp_ns' in event) assert.match(event.ntp_ns, /^\d+$/, 'ntp_ns is a decimal string');
  for (const detection of event.detections) {
    assert.equal(typeof detection.class_name, 'string');
    assert.ok(detection.confidence >= 0 && detection.confidence <= 1, 'confidence is one');
    const { x, y, width, height } = detection.bbox;
    for (const value of [x, y, width, height]) assert.ok(Number.isFinite(value), 'bbox is of numbers');
    assert.ok(width >= 0 && height >= 0, 'bbox has a size');
    if ('tracker_id' in detection) assert.ok(Number.isInteger(detection.tracker_id), 'tracker_id is whole');
  }
}

const client = mqtt.connect(url);

client.on('message', (from, payload) => {
  try {
    const event = JSON.parse(payload.toString());
    check(from, event);
    report.events += 1;
    report.detections += event.detections.length;
    report.per_source[event.source_id] = (report.per_source[event.source_id] ?? 0) + 1;
  } catch (error) {
    report.errors.push(`${from}: ${error.message}`);
  }
  if (until === 'until-least' && report.events + report.errors.length >= Number(least)) end();
});

client.subscribe('nvr/detections/#');

const deadline = setTimeout(end, Number(seconds) * 1000);
let ended = false;

function end() {
  if (ended) return;
  ended = true;
  clearTimeout(deadline);
  report.errors = report.errors.slice(0, 10);
  console.log(JSON.stringify(report));
  client.end(true, () => process.exit(report.errors.length > 0 || report.events < Number(least) ? 1 : 0));
}
