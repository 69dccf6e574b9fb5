package quixcloud

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/runtime"
)

// admin names and makes the topics of a workspace. It is immutable.
type admin struct {
	client    *portal.Client
	workspace string
	ids       map[string]string // of topics that exist, by name
	names     map[string]string // by id
	timeout   time.Duration
	log       *slog.Logger
}

func newAdmin(client *portal.Client, workspace string, topics []portal.Topic, timeout time.Duration, logger *slog.Logger) *admin {
	a := &admin{client, workspace, map[string]string{}, map[string]string{}, timeout, logger}
	for _, t := range topics {
		a.ids[t.Name], a.names[t.ID] = t.ID, t.Name
	}
	return a
}

// TopicName implements [runtime.TopicAdmin]. A name that is an id already, or begins as one, is one.
func (a *admin) TopicName(topic string) string {
	if id, ok := a.ids[topic]; ok {
		return id
	}
	if _, isID := a.names[topic]; isID || strings.HasPrefix(topic, a.workspace+"-") {
		return topic
	}
	return a.workspace + "-" + topic
}

// nameOf returns the name of a topic in the workspace.
func (a *admin) nameOf(id string) string {
	if name, ok := a.names[id]; ok {
		return name
	}
	return strings.TrimPrefix(id, a.workspace+"-")
}

// AwaitTopics implements [runtime.TopicAdmin].
func (a *admin) AwaitTopics(ctx context.Context, topics []string) error {
	names := make([]string, len(topics))
	for i, id := range topics {
		names[i] = a.nameOf(id)
	}
	if os.Getenv(DeploymentVariable) != "" && os.Getenv(StateEnabledVariable) != "true" && slices.ContainsFunc(names, isChangelog) {
		a.log.Warn("the program has state, and the platform does not keep the state of this deployment: every restart restores all of it from the " +
			"changelogs; enable state in the deployment")
	}
	_, err := a.await(ctx, names)
	return err
}

// isChangelog tells topics that stand for state.
func isChangelog(name string) bool { return strings.HasPrefix(name, "changelog__") }

// await waits until topics that exist are ready, and checks that they have the ids of TopicName.
func (a *admin) await(ctx context.Context, names []string) (map[string]portal.Topic, error) {
	ready, err := a.client.AwaitReady(ctx, a.workspace, a.timeout, names...)
	if err != nil {
		return nil, fmt.Errorf("workspace %q: %w", a.workspace, err)
	}
	for name, topic := range ready {
		if want := a.TopicName(name); topic.ID != want {
			return nil, fmt.Errorf("workspace %q: %w %q has the id %q, and %q was expected: %w", a.workspace, portal.ErrTopic, name, topic.ID, want, errMoved)
		}
	}
	return ready, nil
}

// CreateTopics implements [runtime.TopicAdmin]. A topic that another process makes meanwhile is waited for.
func (a *admin) CreateTopics(ctx context.Context, topics []runtime.TopicSettings) error {
	names := make([]string, len(topics))
	refused := map[string]error{} // because something of the kind exists
	for i, topic := range topics {
		names[i] = a.nameOf(topic.Name)
		_, err := a.client.CreateTopic(ctx, a.workspace, portal.NewTopic{
			Name: names[i], Partitions: topic.Partitions, Replication: topic.Replication, Config: portal.PortalConfig(topic.Config),
		})
		switch {
		case errors.Is(err, portal.ErrExists):
			refused[names[i]] = err
		case err != nil:
			return fmt.Errorf("workspace %q: %w", a.workspace, err)
		}
	}
	ready, err := a.await(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := ready[name]; ok {
			continue
		}
		if err := refused[name]; err != nil {
			return fmt.Errorf("workspace %q: it has a topic with a name like that of %q, and none with this name: %w", a.workspace, name, err)
		}
		return fmt.Errorf("workspace %q: %w %q was made, and is gone", a.workspace, portal.ErrTopic, name)
	}
	return nil
}
