package mqtt

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
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
	// V311 is MQTT 3.1.1. The broker decides how many messages it sends before the first one is acknowledged.
	V311
)

// Properties are those of a message of MQTT 5.
type Properties = mqtt.Properties

// Message is a message of the broker. Its memory is not used again.
type Message struct {
	Topic   string
	Payload []byte
	// QoS is 0 for a message that the broker does not keep until it is acknowledged.
	QoS byte
	// Retained says that the message was there before the subscription. Duplicate says that the broker sends it again.
	Retained, Duplicate bool
	Properties          Properties
	// Received is the time at which it came.
	Received time.Time
}

const (
	defaultTimeout       = 10 * time.Second
	defaultKeepAlive     = 30 * time.Second
	defaultWindow        = 10_000
	defaultSessionExpiry = 7 * 24 * time.Hour
	maxWindow            = 1<<16 - 1
	maxKeepAlive         = 65535 * time.Second
)

// Options configure a source of records with keys of type K and values of type V. URL, ClientID and Topics are needed.
type Options[K, V any] struct {
	// URL is the address of the broker: "mqtt://user:password@host:1883", or "mqtts://" with TLS. Errors and logs do not show its password.
	URL secret.String
	// TLS has the settings of connections with TLS, as other authorities or a client certificate. nil means those of package crypto/tls.
	TLS *tls.Config
	// Version is the version of the protocol.
	Version Version
	// ClientID names the sessions in which the broker keeps messages while nobody reads: "ClientID-0" and so on, one for each reader. It stays the
	// same for the life of the application, and no other application uses it.
	ClientID string
	// Topics are filters of topics: "sensors/#", "plants/+/state".
	Topics []string
	// Readers is how many connections share the messages, as splits of the source. More than one need Share. 0 means 1. Messages of one topic come in order
	// to one reader, and in any order to several.
	Readers int
	// Share names the shared subscription of the readers. The broker gives each message to one of them. MQTT 3.1.1 does not have them, but
	// many of its brokers do.
	Share string

	// Record makes the record of a message. nil makes the topic the key, and the payload the value: texts and bytes as they are, and other types by JSON, with a
	// null value for an empty payload. The time is that of the receipt.
	Record func(m Message) (weir.Record[K, V], error)
	// Headers adds the topic of the message as header [HeaderTopic], and the user properties of MQTT 5 under their names.
	Headers bool
	// SkipInvalid logs a message without a record, and acknowledges it. Without it the run ends with the error.
	SkipInvalid bool

	// Window is how many messages a broker with MQTT 5 sends to a reader before the first one is acknowledged, which is when a checkpoint has committed. So it
	// bounds the messages between two checkpoints. At most 65,535. 0 means 10,000.
	Window int
	// SessionExpiry is how long a broker with MQTT 5 keeps messages for a reader that is away, in seconds. 0 means 7 days.
	SessionExpiry time.Duration
	// Timeout bounds the time to connect, and that of each call. 0 means 10 s.
	Timeout time.Duration
	// KeepAlive is how long the broker and the source wait for a sign of each other. 0 means 30 s.
	KeepAlive time.Duration
}

// HeaderTopic is a header of Options.Headers.
const HeaderTopic = "mqtt-topic"

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
	if o.ClientID == "" || len(o.ClientID) > 1000 {
		bad("ClientID is empty or too long: it names the session in which the broker keeps messages")
	}
	if len(o.Topics) == 0 {
		bad("Topics is empty")
	}
	for _, filter := range o.Topics {
		if err := mqtt.CheckFilter(filter); err != nil {
			bad("Topics: %w", err)
		}
		if strings.HasPrefix(filter, "$share/") {
			bad("Topics: %q: set Share", filter)
		}
	}
	if strings.ContainsAny(o.Share, "/+#\x00") {
		bad("Share %q: a name without /, + and #", o.Share)
	}
	if o.Readers > 1 && o.Share == "" {
		bad("Readers is %d: each of them would get all messages without Share", o.Readers)
	}
	if err := connector.Negative(o, "KeepAlive"); err != nil {
		bad("%w", err)
	}
	if o.Window > maxWindow {
		bad("Window is %d, and %d at most", o.Window, maxWindow)
	}
	o.Readers, o.Window = cmp.Or(o.Readers, 1), cmp.Or(o.Window, defaultWindow)
	o.Timeout, o.KeepAlive, o.SessionExpiry = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.KeepAlive, defaultKeepAlive), cmp.Or(o.SessionExpiry, defaultSessionExpiry)
	if o.KeepAlive < time.Second || o.KeepAlive > maxKeepAlive {
		bad("KeepAlive is %v, and has to be between 1 s and %v", o.KeepAlive, maxKeepAlive)
	}
	return errors.Join(wrong...)
}

// filters returns the filters that a reader subscribes to.
func (o *Options[K, V]) filters() []string {
	if o.Share == "" {
		return o.Topics
	}
	shared := make([]string, len(o.Topics))
	for i, filter := range o.Topics {
		shared[i] = "$share/" + o.Share + "/" + filter
	}
	return shared
}
