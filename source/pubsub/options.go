package pubsub

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/pubsub"
)

// Project names a project of Google Cloud and says how to reach its Pub/Sub. ID is needed; credentials that are not set come from the environment. The fields are ID,
// ServiceAccountKey, Endpoint and Timeout.
type Project = pubsub.Project

// Message is a message of a subscription. Its memory is not used again.
type Message struct {
	// ID is the one that Pub/Sub has given it.
	ID          string
	Data        []byte
	Attributes  map[string]string
	OrderingKey string
	// Published is the time at which the topic took it.
	Published time.Time
	// DeliveryAttempt counts deliveries from 1 if the subscription has a topic for dead letters, and is 0 without one.
	DeliveryAttempt int
}

// Options configure a source of records with keys of type K and values of type V. Subscription is needed.
type Options[K, V any] struct {
	// Subscription is the ID of the subscription, which has to exist, without a push endpoint.
	Subscription string
	// Readers is how many streams of messages share the subscription, as splits of the source. Pub/Sub keeps the messages of an ordering key in one stream, as long as it goes on. 0 means 1.
	Readers int
	// KeyAttribute is the attribute with the text of the key. Empty means the ordering key. Messages without it make null keys.
	KeyAttribute string
	// Record makes the record of a message. nil makes the data the value: texts and bytes as they are, and other types by JSON, with a null value for empty data. The time is
	// that of publication.
	Record func(m Message) (weir.Record[K, V], error)
	// Headers adds the attributes of the message to the record, sorted by name.
	Headers bool
	// SkipInvalid logs a message without a record, and acknowledges it. Without it the run ends with the error.
	SkipInvalid bool

	// Window and WindowBytes are how much a reader takes before the first message is acknowledged, which is when a checkpoint has committed. So they bound the messages between
	// two checkpoints, and the memory of a reader. 0 means 10,000, and 64 MiB.
	Window      int
	WindowBytes int64
	// AckDeadline is how long Pub/Sub waits for a sign of the source until it sends a message to another reader. The source makes it longer for the messages that it holds. It is 10 to 600 s. 0 means 60 s.
	AckDeadline time.Duration
}

const (
	defaultWindow      = 10_000
	defaultWindowBytes = 64 << 20
	defaultAckDeadline = time.Minute
	minAckDeadline     = 10 * time.Second
	maxAckDeadline     = 10 * time.Minute
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.Readers, o.Window, o.WindowBytes = cmp.Or(o.Readers, 1), cmp.Or(o.Window, defaultWindow), cmp.Or(o.WindowBytes, defaultWindowBytes)
	o.AckDeadline = cmp.Or(o.AckDeadline, defaultAckDeadline)
	if o.Record == nil {
		o.Record = recordOf[K, V](o.KeyAttribute)
	}
	return o
}

// recordOf returns the function that makes records of messages by default.
func recordOf[K, V any](attribute string) func(Message) (weir.Record[K, V], error) {
	noun := "ordering key"
	if attribute != "" {
		noun = "attribute " + attribute
	}
	keyed, plain := connector.RecordOf[K, V](noun), connector.RecordOf[string, V](noun)
	return func(m Message) (weir.Record[K, V], error) {
		key := m.OrderingKey
		if attribute != "" {
			key = m.Attributes[attribute]
		}
		if key != "" {
			return keyed(key, m.Data)
		}
		r, err := plain("", m.Data)
		return weir.Record[K, V]{KeyNull: true, Value: r.Value, ValueNull: r.ValueNull}, err
	}
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	if err := connector.Negative(o, "AckDeadline"); err != nil {
		wrong = append(wrong, err)
	}
	if err := pubsub.CheckName("Subscription", o.Subscription); err != nil {
		wrong = append(wrong, err)
	}
	if d := o.AckDeadline; d < minAckDeadline || d > maxAckDeadline {
		wrong = append(wrong, fmt.Errorf("AckDeadline is %v, and has to be between %v and %v", d, minAckDeadline, maxAckDeadline))
	}
	return errors.Join(wrong...)
}
