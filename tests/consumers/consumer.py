"""An outside consumer in Python, as in the published example: paho-mqtt and pydantic models of the published schema.

Reads events for some seconds, or until there are enough, and prints a report as one JSON object. Ends with 1 where an event
was not as published, or fewer came than expected.
"""

import argparse
import json
import sys
import threading
from datetime import datetime
from typing import List, Optional

import paho.mqtt.client as mqtt
from pydantic import BaseModel, Field


class BBox(BaseModel):
    x: float
    y: float
    width: float = Field(ge=0)
    height: float = Field(ge=0)


class Detection(BaseModel):
    class_name: str
    confidence: float = Field(ge=0, le=1)
    bbox: BBox
    tracker_id: Optional[int] = None


class DetectionEvent(BaseModel):
    source_id: int
    frame_id: int
    timestamp: datetime
    model_id: str
    inference_time_ms: float
    detections: List[Detection]
    fps: Optional[float] = None
    latency_ms: Optional[float] = None
    # The Python implementation of the published design requires it.
    instance_id: str


class Report:
    def __init__(self):
        self.events = 0
        self.detections = 0
        self.errors = []
        self.last_frame = {}
        self.per_source = {}

    def check(self, topic, payload):
        event = DetectionEvent.model_validate_json(payload)
        raw = json.loads(payload)
        self.events += 1
        self.detections += len(event.detections)
        self.per_source[event.source_id] = self.per_source.get(event.source_id, 0) + 1
        if topic.rsplit("/", 1)[-1] != str(event.source_id):
            raise ValueError(f"source {event.source_id} on the topic {topic}")
        if event.timestamp.tzinfo is None or len(raw["timestamp"]) != len("2025-10-25T10:30:00.123Z"):
            raise ValueError(f"timestamp {raw['timestamp']} is not in UTC with milliseconds")
        if event.frame_id <= self.last_frame.get(event.source_id, -1):
            raise ValueError(f"frame {event.frame_id} of source {event.source_id} does not follow the one before it")
        self.last_frame[event.source_id] = event.frame_id
        width, height = raw.get("frame_width"), raw.get("frame_height")
        for detection in event.detections:
            bbox = detection.bbox
            if width and not (0 <= bbox.x <= width and 0 <= bbox.y <= height):
                raise ValueError(f"the centre of {bbox} is outside the frame of {width}x{height}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="nvr/detections/#")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--least", type=int, default=1, help="fewest events that are enough")
    parser.add_argument("--until-least", action="store_true", help="end as soon as these have come")
    options = parser.parse_args()
    report = Report()
    enough = threading.Event()

    def on_connect(client, userdata, flags, reason, properties):
        client.subscribe(options.topic)

    def on_message(client, userdata, msg):
        # Of another program's retained leftovers nothing is promised.
        try:
            report.check(msg.topic, msg.payload)
        except ValueError as error:
            report.errors.append(str(error))
        if options.until_least and report.events + len(report.errors) >= options.least:
            enough.set()

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect(options.host, options.port)
    client.loop_start()
    enough.wait(options.seconds)
    client.loop_stop()
    client.disconnect()
    print(
        json.dumps(
            {
                "events": report.events,
                "detections": report.detections,
                "per_source": report.per_source,
                "errors": report.errors[:10],
            }
        )
    )
    sys.exit(1 if report.errors or report.events < options.least else 0)


if __name__ == "__main__":
    main()
