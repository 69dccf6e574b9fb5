package runtime

import (
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
)

// ClientError is an error of one partition that Run has met while it read from the cluster or wrote to it.
type ClientError struct {
	Topic     string
	Partition int32
	// Offset is the next offset to read, or NoOffset if the error comes of writing: records get their offsets when they are written.
	Offset int64
	// Err is the error. errors.As finds the error of the Kafka client.
	Err error
	// Retrying says that Run goes on to try, and that nothing is lost so far. If it is false, Config.Topics.OnLostInput decides about a
	// consumer error with an Offset that does not exist any more, Config.Errors about a record that the cluster refuses,
	// and with ExactlyOnce Run goes back to its last checkpoint for as long as that helps. Any other error ends Run.
	Retrying bool
}

// NoOffset is the Offset of a ClientError that comes of writing.
const NoOffset int64 = -1

// Error names topic, partition and, if it is known, offset.
func (e ClientError) Error() string {
	if e.Offset == NoOffset {
		return fmt.Sprintf("write %s[%d]: %v", e.Topic, e.Partition, e.Err)
	}
	return fmt.Sprintf("read %s[%d] at offset %d: %v", e.Topic, e.Partition, e.Offset, e.Err)
}

// Unwrap returns Err.
func (e ClientError) Unwrap() error { return e.Err }

// onConsumer and onProducer return the functions that clients call, nil if nobody wants to hear of errors.
func (a *App) onConsumer() func(broker.PartitionError) {
	return a.toHook("poll", "OnConsumerError", a.config.OnConsumerError)
}

func (a *App) onProducer() func(broker.PartitionError) {
	return a.toHook("send", "OnProducerError", a.config.OnProducerError)
}

func (a *App) toHook(operation, name string, f func(ClientError)) func(broker.PartitionError) {
	if f == nil && a.meter == nil {
		return nil
	}
	return func(e broker.PartitionError) {
		if a.meter != nil {
			a.meter.clientError(operation, e)
		}
		if f != nil {
			err := ClientError{Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Err: e.Err, Retrying: e.Retrying}
			a.hooks.add(name, func() { f(err) }, "error", err)
		}
	}
}
