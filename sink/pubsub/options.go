package pubsub

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/pubsub"
)

// Project names a project of Google Cloud and says how to reach its Pub/Sub. ID is needed; credentials that are not set come from the environment. The fields are ID,
// ServiceAccountKey, Endpoint and Timeout.
type Project = pubsub.Project

// Options configure a sink of records with keys of type K and values of type V. Topic is needed.
type Options[K, V any] struct {
	// Topic is the ID of the topic, which has to exist.
	Topic string
	// Ordered makes the text of the record's key the ordering key of its message. Subscriptions that keep the order deliver the messages of a key as they were published. Messages of
	// records with a null or empty key have no order.
	Ordered bool
	// KeyAttribute is the name of an attribute with the text of the record's key, such as "key". Empty means none. Null keys have no attribute.
	KeyAttribute string
	// Headers makes an attribute of each header of the record. The last one of a name counts.
	Headers bool
	// Attributes returns more attributes of the message, which take the place of others with their names. nil means none. It runs on the task's goroutine.
	Attributes func(r *weir.Record[K, V]) (map[string]string, error)
	// Payload makes the data of a message. nil takes texts and bytes as they are, and the JSON of other values. A null value is empty data, which Pub/Sub takes only with an attribute.
	Payload func(r *weir.Record[K, V]) ([]byte, error)

	// Calls is how many calls a task makes at the same time, for messages with different ordering keys. 0 means 16.
	Calls int
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Retry is for calls that fail because Pub/Sub cannot be reached, or takes no more for the moment. When its attempts are used up, the application holds its input
	// back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	// Limits of Pub/Sub. A call has at most 10,000,000 bytes, with names of fields.
	maxCallMessages   = 1000
	maxCallBytes      = 9_000_000
	maxMessage        = 9_900_000
	maxAttributes     = 100
	maxAttributeName  = 256
	maxAttributeValue = 1024
	maxOrderingKey    = 1024

	defaultCalls       = 16
	defaultHoldRecords = 20_000
	defaultHoldBytes   = 64 << 20
	defaultOutageWait  = 5 * time.Second
)

func (o Options[K, V]) withDefaults() Options[K, V] {
	o.Calls = cmp.Or(o.Calls, defaultCalls)
	o.HoldRecords, o.HoldBytes = cmp.Or(o.HoldRecords, defaultHoldRecords), cmp.Or(o.HoldBytes, defaultHoldBytes)
	o.OutageWait = cmp.Or(o.OutageWait, defaultOutageWait)
	if o.Payload == nil {
		o.Payload = connector.Payload[K, V]()
	}
	return o
}

// check returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if err := pubsub.CheckName("Topic", o.Topic); err != nil {
		wrong = append(wrong, err)
	}
	if o.KeyAttribute != "" {
		if err := checkAttribute(o.KeyAttribute, ""); err != nil {
			wrong = append(wrong, fmt.Errorf("KeyAttribute: %w", err))
		}
	}
	return errors.Join(wrong...)
}

// checkAttribute reports whether Pub/Sub takes an attribute.
func checkAttribute(name, value string) error {
	switch {
	case name == "" || len(name) > maxAttributeName:
		return fmt.Errorf("the attribute %q has a name of %d bytes, and 1 to %d are possible", strings.ToValidUTF8(name[:min(len(name), 32)], ""), len(name), maxAttributeName)
	case strings.HasPrefix(name, "goog"):
		return fmt.Errorf("the attribute %q has a name that begins with goog, as those of the service do", name)
	case len(value) > maxAttributeValue:
		return fmt.Errorf("the attribute %q has a value of %d bytes, and at most %d are possible", name, len(value), maxAttributeValue)
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return fmt.Errorf("the attribute %q: %w", name, connector.ErrUTF8)
	}
	return nil
}
