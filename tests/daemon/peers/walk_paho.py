"""Walks paho-mqtt through a gateway: python walk_paho.py PORT 3.1.1|5.0 [tcp|websockets [CA_FILE]].

Prints "all well", or fails.
"""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(sys.argv[1])
VERSION = sys.argv[2]
IS_V5 = VERSION == "5.0"
TRANSPORT = sys.argv[3] if len(sys.argv) > 3 else "tcp"
CA_FILE = sys.argv[4] if len(sys.argv) > 4 else None
PATIENCE_SECONDS = 20


class Client:
    """A client whose answers can be waited for."""

    def __init__(self, name, clean=True, will=None):
        protocol = mqtt.MQTTv5 if IS_V5 else mqtt.MQTTv311
        options = {} if IS_V5 else {"clean_session": clean}
        version = mqtt.CallbackAPIVersion.VERSION2
        self.mqtt = mqtt.Client(version, name, protocol=protocol, transport=TRANSPORT, **options)
        if CA_FILE:
            self.mqtt.tls_set(CA_FILE)
        self.connected = queue.Queue()
        self.subscribed = queue.Queue()
        self.messages = queue.Queue()
        self.mqtt.on_connect = lambda _c, _u, flags, reason, _p: self.connected.put((flags.session_present, reason))
        self.mqtt.on_subscribe = lambda _c, _u, _m, reasons, _p: self.subscribed.put([r.value for r in reasons])
        self.mqtt.on_message = lambda _c, _u, message: self.messages.put(message)
        if will:
            self.mqtt.will_set(*will)
        self.clean = clean

    def connect(self):
        """Connects; tells whether the session was there."""
        options = {}
        if IS_V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if self.clean else 3600
            options = {"clean_start": self.clean, "properties": properties}
        self.mqtt.connect("127.0.0.1", PORT, keepalive=60, **options)
        self.mqtt.loop_start()
        session_present, reason = self.connected.get(timeout=PATIENCE_SECONDS)
        assert not reason.is_failure, reason
        return session_present

    def subscribe(self, topic_filter, qos):
        self.mqtt.subscribe(topic_filter, qos)
        granted = self.subscribed.get(timeout=PATIENCE_SECONDS)
        assert granted == [qos], granted

    def publish(self, topic, payload, qos, retain=False, properties=None):
        published = self.mqtt.publish(topic, payload, qos, retain, properties)
        published.wait_for_publish(PATIENCE_SECONDS)
        assert published.is_published(), (topic, qos)

    def expect(self, topic, payload, qos, retain=False):
        message = self.messages.get(timeout=PATIENCE_SECONDS)
        found = (message.topic, message.payload.decode(), message.qos, bool(message.retain))
        assert found == (topic, payload, qos, retain), found
        return message

    def disconnect(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def vanish(self):
        """Drops the connection without DISCONNECT."""
        self.mqtt.loop_stop()
        self.mqtt.socket().close()


def walk():
    publisher = Client("publisher")
    publisher.connect()
    reader = Client("reader")
    reader.connect()
    reader.subscribe("paho/#", 2)
    for qos in (0, 1, 2):
        for number in range(100):
            publisher.publish(f"paho/{qos}", str(number), qos)
        for number in range(100):
            reader.expect(f"paho/{qos}", str(number), qos)

    publisher.publish("kept", "retained", 1, retain=True)
    reader.subscribe("kept", 1)
    reader.expect("kept", "retained", 1, retain=True)
    publisher.publish("kept", "", 1, retain=True)
    reader.expect("kept", "", 1)

    sleeper = Client(f"sleeper-{VERSION}-{PORT}", clean=False)
    assert not sleeper.connect()
    sleeper.subscribe("night/#", 2)
    sleeper.disconnect()
    for qos in (1, 2):
        publisher.publish("night/x", f"for later {qos}", qos)
    sleeper = Client(f"sleeper-{VERSION}-{PORT}", clean=False)
    assert sleeper.connect()
    for qos in (1, 2):
        sleeper.expect("night/x", f"for later {qos}", qos)
    sleeper.disconnect()

    mortal = Client("mortal", will=("paho/will", "gone", 1))
    mortal.connect()
    mortal.vanish()
    reader.expect("paho/will", "gone", 1)

    if IS_V5:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "answer"
        properties.CorrelationData = b"42"
        properties.UserProperty = [("a", "1"), ("a", "2")]
        publisher.publish("paho/properties", "x", 1, properties=properties)
        found = reader.expect("paho/properties", "x", 1).properties
        assert found.ResponseTopic == "answer" and found.CorrelationData == b"42"
        assert found.UserProperty == [("a", "1"), ("a", "2")], found.UserProperty

    reader.disconnect()
    publisher.disconnect()


walk()
print("all well")
