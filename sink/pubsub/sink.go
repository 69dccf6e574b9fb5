package pubsub

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/iam/apiv1/iampb"
	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/sink"
)

// Sink publishes records to a topic. It is made by [New].
type Sink[K, V any] struct {
	project Project
	options Options[K, V]
	topic   string // with its path
	key     func(K) (text string, null bool, err error)

	client *vkit.TopicAdminClient // open between Connect and Close
}

// New returns a sink that publishes messages to a topic, which has to exist. Connect finds mistakes.
func New[K, V any](project Project, o Options[K, V]) *Sink[K, V] {
	return &Sink[K, V]{project: project, options: o.withDefaults(), topic: "projects/" + project.ID + "/topics/" + o.Topic, key: connector.KeyText[K]()}
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// String names the topic and the project.
func (s *Sink[K, V]) String() string {
	return "Pub/Sub topic " + s.options.Topic + " of " + s.project.String()
}

// Connect implements [sink.Sink]. It checks the options and the credentials, and finds out whether the topic exists and messages may be published.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	if err := s.options.check(); err != nil {
		return fmt.Errorf("%w: sink pubsub: %w", weir.ErrConfiguration, err)
	}
	client, err := s.project.Topics(ctx)
	if err != nil {
		return fmt.Errorf("sink pubsub: %w", err)
	}
	err = s.project.Call(ctx, "pubsub.topics.get", func(ctx context.Context) error {
		_, err := client.GetTopic(ctx, &pubsubpb.GetTopicRequest{Topic: s.topic})
		return err
	})
	if err == nil {
		err = s.project.Granted(ctx, func(ctx context.Context, r *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error) {
			return client.TestIamPermissions(ctx, r)
		}, s.topic, "pubsub.topics.publish")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("connect to %s: %w", s, err), client.Close())
	}
	s.client = client
	return nil
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if s.client == nil {
		return nil, errors.New("sink pubsub: Writer is called before Connect")
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	if s.client == nil {
		return nil
	}
	err := s.client.Close()
	s.client = nil
	return err
}
