package runtime_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

// seenErrors are errors that a function of the configuration was told of.
type seenErrors struct {
	mu  sync.Mutex // guards all
	all []runtime.ClientError
}

func (s *seenErrors) add(err runtime.ClientError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, err)
}

// seen is the place of an error, and whether it is tried again.
type seen struct {
	Topic     string
	Partition int32
	Offset    int64
	Retrying  bool
}

// places returns the places of the errors, and fails the test unless each wraps a cause.
func (s *seenErrors) places(t *testing.T, cause error) (places []seen) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range s.all {
		if !errors.Is(err, cause) {
			t.Errorf("error %v, want %v", err, cause)
		}
		places = append(places, seen{err.Topic, err.Partition, err.Offset, err.Retrying})
	}
	return places
}

func (s *seenErrors) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all) > 0
}

func TestErrorsOfReadingAreTold(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	if k.Real() {
		t.Skip("kfake gives the errors")
	}
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	var code atomic.Int32
	cluster := k.Kafka.Cluster()
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request := r.(*kmsg.FetchRequest)
		if code.Load() == 0 {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.FetchResponse)
		response.SessionID = 0
		for _, t := range request.Topics {
			topic := kmsg.FetchResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, kmsg.FetchResponseTopicPartition{Partition: p.Partition, ErrorCode: int16(code.Load())})
			}
			response.Topics = append(response.Topics, topic)
		}
		return response, nil, true
	})
	k.write(p.input, 0, numbers(0, 4)...)
	config := k.config()
	config.Checkpoint.Interval = 100 * time.Millisecond
	var read, written seenErrors
	config.OnConsumerError = func(err runtime.ClientError) { read.add(err); panic("must not matter") }
	config.OnProducerError = written.add
	app := run(t, p.topology(), config)
	await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 4 })
	code.Store(int32(sarama.ErrKafkaStorageError))
	await(t, "an error", read.any)
	code.Store(0)
	k.write(p.input, 0, numbers(4, 8)...)
	await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 8 })
	if diff := cmp.Diff([]seen{{p.input, 0, 4, true}}, read.places(t, sarama.ErrKafkaStorageError)); diff != "" {
		t.Errorf("tried again (-want +got):\n%s", diff)
	}
	read.mu.Lock()
	read.all = nil
	read.mu.Unlock()
	code.Store(int32(sarama.ErrTopicAuthorizationFailed))
	if err := app.failure(); !errors.Is(err, weir.ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]seen{{p.input, 0, 8, false}}, read.places(t, weir.ErrUnauthorized)); diff != "" {
		t.Errorf("final (-want +got):\n%s", diff)
	}
	if written.any() {
		t.Errorf("errors of writing: %v", written.all)
	}
}

func TestErrorsOfWritingAreTold(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		kafkatest.Parallel(t)
		k := newKafka(t)
		if k.Real() {
			t.Skip("kfake gives the errors")
		}
		p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
		var code, tries atomic.Int32
		cluster := k.Kafka.Cluster()
		cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			request := r.(*kmsg.ProduceRequest)
			response := request.ResponseKind().(*kmsg.ProduceResponse)
			concerned := false
			for _, t := range request.Topics {
				topic := kmsg.ProduceResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
				for _, part := range t.Partitions {
					topic.Partitions = append(topic.Partitions, kmsg.ProduceResponseTopicPartition{Partition: part.Partition, ErrorCode: int16(code.Load())})
				}
				response.Topics = append(response.Topics, topic)
				concerned = concerned || t.Topic == p.output
			}
			if concerned && code.Load() == int32(sarama.ErrTopicAuthorizationFailed) {
				tries.Add(1)
			}
			return response, nil, code.Load() != 0 && concerned // a changelog may be in the same request
		})
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval = g, 100*time.Millisecond
		var written seenErrors
		config.OnProducerError = written.add
		app := run(t, p.topology(), config)
		code.Store(int32(sarama.ErrNotLeaderForPartition))
		k.write(p.input, 0, numbers(0, 4)...)
		await(t, "an error", written.any)
		code.Store(0)
		await(t, "a checkpoint", func() bool { return k.committed(p.input, 0) == 4 })
		ofOutput := slices.DeleteFunc(written.places(t, sarama.ErrNotLeaderForPartition), func(s seen) bool { return s.Topic != p.output })
		if diff := cmp.Diff([]seen{{p.output, 0, runtime.NoOffset, true}}, ofOutput); diff != "" {
			t.Errorf("tried again (-want +got):\n%s", diff)
		}
		written.mu.Lock()
		written.all = nil
		written.mu.Unlock()
		code.Store(int32(sarama.ErrTopicAuthorizationFailed))
		k.write(p.input, 0, numbers(4, 5)...)
		err := app.failure()
		if !errors.Is(err, weir.ErrUnauthorized) || !strings.Contains(err.Error(), "(runtime/support_test.go:") {
			t.Errorf("got %v, want %v of an operator", err, weir.ErrUnauthorized)
		}
		if n := tries.Load(); n != 1 {
			t.Errorf("%d tries to write without permission, want 1", n)
		}
		places := written.places(t, weir.ErrUnauthorized)
		if len(places) == 0 || places[0] != (seen{places[0].Topic, 0, runtime.NoOffset, false}) {
			t.Errorf("final: %v", places)
		}
	})
}
