package deadletter

import (
	"context"
	"time"

	"github.com/weirstreams/weir/kafka"
)

// Reader reads the letters of a topic, as a member of a consumer group. One goroutine uses it.
type Reader struct {
	consumer *kafka.Consumer
	filter   func(*Letter) bool
}

// ReaderOptions configure a Reader.
type ReaderOptions struct {
	// Topic is the topic of dead letters, without Config.Prefix: see [Topic].
	Topic string
	// Group is the consumer group of the reader, without Config.Prefix. It must not be that of the application.
	Group string
	// Filter chooses letters; nil takes all.
	Filter func(*Letter) bool
	// ManualCommit leaves committing to calls of Commit. By default the letters that Poll has returned are committed when the Reader is closed.
	ManualCommit bool
}

// NewReader returns a reader. The errors are those of [kafka.NewConsumer]. The caller closes it.
func NewReader(ctx context.Context, config kafka.Config, options ReaderOptions) (*Reader, error) {
	c, err := kafka.NewConsumer(ctx, config, kafka.ConsumerOptions{
		Topics: []string{options.Topic}, Group: options.Group, ManualCommit: options.ManualCommit,
	})
	if err != nil {
		return nil, err
	}
	return &Reader{c, options.Filter}, nil
}

// Poll returns the next letter that the filter takes, or nil if none has come within wait. The errors are those of [kafka.Consumer.Poll].
func (r *Reader) Poll(ctx context.Context, wait time.Duration) (*Letter, error) {
	for deadline := time.Now().Add(wait); ; {
		m, err := r.consumer.Poll(ctx, max(0, time.Until(deadline)))
		if err != nil || m == nil {
			return nil, err
		}
		if l := Parse(m); r.filter == nil || r.filter(l) {
			return l, nil
		}
	}
}

// Commit commits the letters that Poll has returned or passed over. The errors are those of [kafka.Consumer.Commit].
func (r *Reader) Commit(ctx context.Context) error { return r.consumer.Commit(ctx) }

// Close closes the connections. The errors are those of [kafka.Consumer.Close].
func (r *Reader) Close(ctx context.Context) error { return r.consumer.Close(ctx) }
