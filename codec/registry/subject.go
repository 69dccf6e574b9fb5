package registry

import (
	"errors"

	"github.com/weirstreams/weir/codec"
)

// SubjectName makes the name of the subject that a schema is registered under. name is that of the record or message.
type SubjectName func(topic string, part codec.Part, name string) (string, error)

var errNoRecordName = errors.New("the subject is named after the record, but the schema has no record name")

// TopicName names the subject after the topic: "orders-key", "orders-value". It is the default. The name is that of the topic
// on the cluster, with runtime.Config.Prefix, wherever the codec is used: in a topology, by a kafka.Producer, and in
// kafka.Decode. A codec of state uses the name of the store and "-state". The error is always nil.
func TopicName(topic string, part codec.Part, _ string) (string, error) {
	return topic + "-" + part.String(), nil
}

// RecordName names the subject after the record or message, so that a topic may hold several types and a type has one
// history over all topics. It fails if the schema has no record name.
func RecordName(_ string, _ codec.Part, name string) (string, error) {
	if name == "" {
		return "", errNoRecordName
	}
	return name, nil
}

// TopicRecordName names the subject after topic and record: "orders-shop.Order". It fails if the schema has no record name.
func TopicRecordName(topic string, _ codec.Part, name string) (string, error) {
	if name == "" {
		return "", errNoRecordName
	}
	return topic + "-" + name, nil
}
