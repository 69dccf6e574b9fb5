package kinesis

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/kinesis"
	"github.com/weirstreams/weir/sink"
)

// Sink puts records on a data stream. It is made by [New].
type Sink[K, V any] struct {
	stream  Stream
	options Options[K, V]
	key     func(K) (text string, null bool, err error)

	client *kinesis.Client // open between Connect and Close
	// maxRecord is how many bytes the data stream takes for the data of a record with its partition key.
	maxRecord int64
}

// New returns a sink that puts records on a data stream, which has to exist. Connect finds mistakes.
func New[K, V any](stream Stream, o Options[K, V]) *Sink[K, V] {
	return &Sink[K, V]{stream: stream, options: o.withDefaults(), key: connector.KeyText[K]()}
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// String names the data stream.
func (s *Sink[K, V]) String() string { return s.stream.String() }

// Connect implements [sink.Sink]. It checks the options, and finds out whether the data stream exists and can be used. Kinesis tells about the permission to put
// records when the first one is put.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	if err := s.options.check(); err != nil {
		return fmt.Errorf("%w: sink kinesis: %w", weir.ErrConfiguration, err)
	}
	client, err := s.stream.Open(ctx)
	if err != nil {
		return fmt.Errorf("sink kinesis: %w", err)
	}
	summary, err := client.Describe(ctx)
	if err != nil {
		client.Close()
		return fmt.Errorf("connect to %s: %w", s, err)
	}
	s.client = client
	s.maxRecord = defaultMaxRecord
	if most := int64(aws.ToInt32(summary.MaxRecordSizeInKiB)) << 10; most > 0 {
		s.maxRecord = most
	}
	return nil
}

const defaultMaxRecord = 1 << 20 // bytes, unless the data stream takes more

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.client == nil {
		return nil, errors.New("sink kinesis: Writer is called before Connect")
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	return nil
}
