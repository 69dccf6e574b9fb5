package mqtt

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/mqtt"
	"github.com/weirstreams/weir/secret"
)

// Version is a version of the protocol.
type Version int8

const (
	// V5 is MQTT 5.
	V5 Version = iota
	// V311 is MQTT 3.1.1. Its brokers do not say which messages they refuse.
	V311
)

// QoS is the quality of service of messages.
type QoS int8

const (
	// AtLeastOnce is QoS 1: the broker acknowledges each message.
	AtLeastOnce QoS = iota
	// AtMostOnce is QoS 0. A checkpoint waits until the broker has read its messages, and not until it has handled them.
	AtMostOnce
)

// Property is a user property of MQTT 5.
type Property = mqtt.Property

// Properties are those of a message of MQTT 5. Zero values are left out.
type Properties = mqtt.Properties

// Will is a message that the broker sends when the process dies, or the network between them.
type Will struct {
	Topic   string
	Payload []byte
	QoS     QoS
	Retain  bool
}

const (
	defaultTimeout     = 10 * time.Second
	defaultKeepAlive   = 30 * time.Second
	defaultWindow      = 1000
	defaultHoldRecords = 10_000
	defaultHoldBytes   = 64 << 20
	maxKeepAlive       = 65535 * time.Second
)

// Options configure a sink of records with keys of type K and values of type V. URL is needed. The zero value of everything else publishes JSON to topics
// that are named after the keys of the records.
type Options[K, V any] struct {
	// URL is the address of the broker: "mqtt://user:password@host:1883", or "mqtts://" with TLS. Errors and logs do not show its password.
	URL secret.String
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config
	// Version is the version of the protocol.
	Version Version
	// ClientID is the beginning of the client identifiers of the sink, which has a connection for each task. Empty means "weir-" and the
	// application.
	ClientID string
	// Will is the message that the broker sends when the process dies. nil means none. It belongs to a connection of its own.
	Will *Will

	// Prefix is put in front of the text of the record's key, which makes the topic: "sensors/". Records with a null key are refused.
	Prefix string
	// Name is the one topic of all records, in place of Prefix and key.
	Name string
	// Topic returns the topic of a record, in place of Prefix and key. An error is one of the record.
	Topic func(r *weir.Record[K, V]) (string, error)
	// Payload makes the payload of a record. nil takes texts and bytes as they are, and the JSON of other values. A null value is an empty
	// payload, which also deletes a retained message.
	Payload func(r *weir.Record[K, V]) ([]byte, error)
	// QoS is the quality of service.
	QoS QoS
	// Retain says that the broker keeps the last message of each topic for new subscribers. RetainOf says it for a record, and takes its place.
	Retain   bool
	RetainOf func(r *weir.Record[K, V]) bool
	// Properties makes the properties of a message, for V5.
	Properties func(r *weir.Record[K, V]) (Properties, error)

	// Window is how many messages a task sends before the first one has to be acknowledged. A broker with MQTT 5 may want less. 0 means 1,000.
	Window int
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 10,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds the time to connect, and to wait for the next acknowledgement. 0 means 10 s.
	Timeout time.Duration
	// KeepAlive is how long the broker and the sink wait for a sign of each other. 0 means 30 s.
	KeepAlive time.Duration
	// Retry is for connections that cannot be made or end, and for a broker that asks for time. When its attempts are used up, the application holds its input
	// back and goes on trying. If is not used.
	Retry weir.Retry
}

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if o.URL.IsZero() {
		bad("URL is empty")
	}
	if o.Version != V5 && o.Version != V311 {
		bad("Version %d is unknown", o.Version)
	}
	if o.QoS != AtLeastOnce && o.QoS != AtMostOnce {
		bad("QoS %d is unknown", o.QoS)
	}
	if o.Version == V311 && o.Properties != nil {
		bad("Properties need V5")
	}
	named := 0
	for _, set := range []bool{o.Prefix != "", o.Name != "", o.Topic != nil} {
		if set {
			named++
		}
	}
	if named > 1 {
		bad("only one of Prefix, Name and Topic can be set")
	}
	for _, name := range []string{o.Prefix, o.Name} {
		if name == "" {
			continue
		}
		if err := mqtt.CheckTopic(name); err != nil {
			bad("%w", err)
		}
	}
	if w := o.Will; w != nil {
		copied := *w
		o.Will = &copied
		m := mqtt.Message{Topic: w.Topic, Payload: w.Payload}
		if err := m.Check(mqtt.V5); err != nil {
			bad("Will: %w", err)
		}
		if len(w.Payload) > 1<<16-1 {
			bad("Will: the payload is longer than 65,535 bytes")
		}
	}
	if err := connector.Negative(o, "KeepAlive"); err != nil {
		bad("%w", err)
	}
	o.Window = min(cmp.Or(o.Window, defaultWindow), 1<<16-1)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.Timeout, o.KeepAlive = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.KeepAlive, defaultKeepAlive)
	if o.KeepAlive < time.Second || o.KeepAlive > maxKeepAlive {
		bad("KeepAlive is %v, and has to be between 1 s and %v", o.KeepAlive, maxKeepAlive)
	}
	return errors.Join(wrong...)
}
