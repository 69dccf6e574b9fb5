package pubsub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cloud.google.com/go/iam/apiv1/iampb"
	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the messages of a subscription. Connect reports mistakes in the options.
func New[K, V any](project Project, o Options[K, V]) source.Source[K, V] {
	return &subscription[K, V]{project: project, options: o.withDefaults(), path: "projects/" + project.ID + "/subscriptions/" + o.Subscription}
}

// subscription is a source.
type subscription[K, V any] struct {
	project Project
	options Options[K, V]
	path    string

	client *vkit.SubscriptionAdminClient // open between Connect and Close
}

var _ source.Slotted = (*subscription[int, int])(nil)

// Slots implements [source.Slotted].
func (s *subscription[K, V]) Slots() int32 { return int32(s.options.Readers) }

// String names the subscription and the project.
func (s *subscription[K, V]) String() string {
	return "Pub/Sub subscription " + s.options.Subscription + " of " + s.project.String()
}

// Connect implements [source.Source]: it checks the options and the credentials, and finds out whether the subscription can be read.
func (s *subscription[K, V]) Connect(ctx context.Context) error {
	if err := s.options.check(); err != nil {
		return fmt.Errorf("%w: source pubsub: %w", weir.ErrConfiguration, err)
	}
	client, err := s.project.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("source pubsub: %w", err)
	}
	s.client = client
	if err := s.look(ctx); err != nil {
		return errors.Join(fmt.Errorf("connect to %s: %w", s, err), client.Close())
	}
	return nil
}

// look finds out whether the subscription can be read.
func (s *subscription[K, V]) look(ctx context.Context) error {
	var found *pubsubpb.Subscription
	err := s.project.Call(ctx, "pubsub.subscriptions.get", func(ctx context.Context) (err error) {
		found, err = s.client.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: s.path})
		return err
	})
	switch {
	case err != nil:
		return err
	case found.GetPushConfig().GetPushEndpoint() != "" || found.GetBigqueryConfig() != nil || found.GetCloudStorageConfig() != nil:
		return fmt.Errorf("%w: the subscription delivers its messages to somewhere else, and cannot be read: make one of type pull", weir.ErrConfiguration)
	case found.GetDetached():
		return fmt.Errorf("%w: the subscription is detached from its topic: make another one", weir.ErrConfiguration)
	}
	return s.project.Granted(ctx, func(ctx context.Context, r *iampb.TestIamPermissionsRequest) (*iampb.TestIamPermissionsResponse, error) {
		return s.client.TestIamPermissions(ctx, r)
	}, s.path, "pubsub.subscriptions.consume")
}

// Close implements [source.Source].
func (s *subscription[K, V]) Close(context.Context) error { return s.client.Close() }

// Splits implements [source.Source]: a split is a stream of messages.
func (s *subscription[K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	splits := make([]source.Split, s.options.Readers)
	for i := range splits {
		splits[i].ID = strconv.Itoa(i)
	}
	return splits, nil
}

// Open implements [source.Source]. The position means nothing to it: Pub/Sub knows which messages are acknowledged.
func (s *subscription[K, V]) Open(_ context.Context, task source.Task, split source.Split, _ []byte) (source.Reader[K, V], error) {
	if n, err := strconv.Atoi(split.ID); err != nil || n < 0 || n >= s.options.Readers {
		if err == nil && n > 0 { // there were more readers
			return ended[K, V]{}, nil
		}
		return nil, fmt.Errorf("source pubsub: split %q is not one of this source", split.ID)
	}
	r := &reader[K, V]{
		subscription: s, log: task.Logger, id: rand.Text(), messages: make(chan *pubsubpb.ReceivedMessage, queued),
		held: map[string]int{}, batches: task.BatchRecords,
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.running.Go(r.extend)
	return r, nil
}

// sortedNames returns the names of attributes.
func sortedNames(attributes map[string]string) []string {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
