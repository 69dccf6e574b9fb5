package quix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/source"
	sourcekafka "github.com/weirstreams/weir/source/kafka"
)

// Options configures [New]. The zero value reads the workspace of the environment's token, from the first record that the topic retains.
type Options[K, V any] struct {
	// Portal has the address of the portal and a token that is good for the workspace. Their defaults are in the environment, where
	// they belong to the workspace of the program.
	Portal portal.Config
	// Workspace is the id or the name of the workspace that is read. The default is the only workspace of the token, or else the first one
	// with the topic.
	Workspace string
	// TopicTimeout is how long the topic may take until it is ready. The default is 1 minute.
	TopicTimeout time.Duration
	// Kafka says how records are read and copied. Connection must be empty: it is that of the workspace.
	Kafka sourcekafka.Options[K, V]
}

// New returns a source of the records of a topic of another workspace. The topic has its name in the workspace. Its codecs decode keys and
// values; those of codec.Bytes copy them as they are. It asks nobody: mistakes are found by Connect.
func New[K, V any](topic kafka.Topic[K, V], options Options[K, V]) *Source[K, V] {
	return &Source[K, V]{topic: topic, options: options}
}

// Source reads a topic.
type Source[K, V any] struct {
	topic   kafka.Topic[K, V]
	options Options[K, V]
	// copied is set by Connect.
	copied *sourcekafka.Source[K, V]
}

var (
	_ source.Source[string, any] = (*Source[string, any])(nil)
	_ source.Partitioned         = (*Source[string, any])(nil)
)

// String names the topic and the workspace.
func (s *Source[K, V]) String() string {
	if s.options.Workspace == "" {
		return fmt.Sprintf("topic %q of Quix Cloud", s.topic.Name())
	}
	return fmt.Sprintf("topic %q of workspace %q", s.topic.Name(), s.options.Workspace)
}

// Connect implements source.Source: it asks the portal for the cluster and the topic, and connects to the cluster. Besides the errors of package
// portal and of source/kafka it returns a weir.ErrUnknownTopic if the workspace has no such topic.
func (s *Source[K, V]) Connect(ctx context.Context) error {
	if len(s.options.Kafka.Connection.Brokers) > 0 {
		return fmt.Errorf("%w: source/quix: %v: Options.Kafka.Connection is set, and the workspace has its own", weir.ErrConfiguration, s)
	}
	if err := connector.Negative(&s.options); err != nil {
		return fmt.Errorf("%w: source/quix: %v: Options: %w", weir.ErrConfiguration, s, err)
	}
	if err := s.find(ctx); err != nil {
		return fmt.Errorf("source/quix: %v: %w", s, err)
	}
	return s.copied.Connect(ctx)
}

// find sets copied.
func (s *Source[K, V]) find(ctx context.Context) error {
	client, err := portal.New(s.options.Portal)
	if err != nil {
		return err
	}
	workspace, err := client.FindWorkspace(ctx, s.options.Workspace, s.topic.Name())
	if err != nil {
		return err
	}
	topic, err := client.Topic(ctx, workspace.ID, s.topic.Name())
	if errors.Is(err, portal.ErrNotFound) {
		return fmt.Errorf("%w: %w", weir.ErrUnknownTopic, err)
	}
	if err != nil {
		return err
	}
	if _, err := client.AwaitReady(ctx, workspace.ID, cmp.Or(s.options.TopicTimeout, time.Minute), topic.Name); err != nil {
		return err
	}
	options := s.options.Kafka
	if options.Connection, err = client.Connection(ctx, workspace.ID); err != nil {
		return err
	}
	s.copied = sourcekafka.New[K, V](named[K, V]{s.topic, topic.ID}, options)
	return nil
}

// named is a topic with its name on the cluster.
type named[K, V any] struct {
	kafka.Topic[K, V]
	id string
}

// Name implements kafka.Topic.
func (n named[K, V]) Name() string { return n.id }

// Close implements source.Source.
func (s *Source[K, V]) Close(ctx context.Context) error { return s.copied.Close(ctx) }

// Partitions implements source.Partitioned.
func (s *Source[K, V]) Partitions() int32 { return s.copied.Partitions() }

// Splits implements source.Source: a split for each partition, also for those that were added.
func (s *Source[K, V]) Splits(ctx context.Context, known func(id string) bool) ([]source.Split, error) {
	return s.copied.Splits(ctx, known)
}

// Open implements source.Source.
func (s *Source[K, V]) Open(ctx context.Context, task source.Task, split source.Split, position []byte) (source.Reader[K, V], error) {
	return s.copied.Open(ctx, task, split, position)
}
