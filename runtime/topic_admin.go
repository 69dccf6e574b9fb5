package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// TopicAdmin names and makes the topics of an App on a platform that has an interface of its own for that, beside the cluster. It makes
// all topics: those that Config.Topics.Create asks for, internal ones, and those that functions name. Everything else
// about topics is asked of the cluster. Run, Plan and Producer return its errors as they are. Its methods may be called by several goroutines at
// once.
type TopicAdmin interface {
	// TopicName returns the name on the cluster of a topic that the program, or the App, names. It takes no time, and returns
	// the same name for as long as the App lives. The group goes by Config.Prefix.
	TopicName(topic string) string

	// AwaitTopics waits until those of the topics that exist can be used. It is called before the topics of the topology are looked at,
	// with their names on the cluster. An error ends Run before the first record.
	AwaitTopics(ctx context.Context, topics []string) error

	// CreateTopics makes topics, by their names on the cluster, and waits until they can be used. One that exists is left as it is.
	// Settings that the platform does not take may be left out: the App sets those that internal topics need on the cluster,
	// as for internal topics that exist. Topics that the cluster does not show yet are waited for.
	CreateTopics(ctx context.Context, topics []TopicSettings) error
}

// topicName returns the name on the cluster of a topic that the program names.
func (c *Config) topicName(topic string) string {
	if c.Topics.Admin != nil {
		return c.Topics.Admin.TopicName(topic)
	}
	return c.Prefix + topic
}

// awaitTopics waits until the topics of the plan can be used.
func (a *App) awaitTopics(ctx context.Context) error {
	if a.config.Topics.Admin == nil {
		return nil
	}
	return a.config.Topics.Admin.AwaitTopics(ctx, append(a.plan.Topics(), a.inventoryTopic()))
}

// administered is a cluster with topics that an admin makes.
type administered struct {
	broker.Cluster
	admin TopicAdmin
}

// visibleWithin is how long the cluster may take to show a topic that the platform calls ready.
const visibleWithin = 30 * time.Second

// CreateTopics implements broker.Cluster.
func (c administered) CreateTopics(ctx context.Context, specs ...broker.TopicSpec) error {
	topics, names := make([]TopicSettings, len(specs)), make([]string, len(specs))
	for i, spec := range specs {
		topics[i], names[i] = TopicSettings(spec), spec.Name
	}
	if err := c.admin.CreateTopics(ctx, topics); err != nil {
		return err
	}
	for began := time.Now(); ; {
		shown, err := c.Topics(ctx, names...)
		if err != nil {
			return fmt.Errorf("look up topics: %w", err)
		}
		i := slices.IndexFunc(names, func(name string) bool { return shown[name].Partitions == 0 })
		if i < 0 {
			return nil
		}
		if time.Since(began) >= visibleWithin {
			return fmt.Errorf("the platform has made topic %q, and the cluster does not show it within %v", names[i], visibleWithin)
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
