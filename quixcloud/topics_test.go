package quixcloud_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/quixcloud"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/runtime"
)

// changelog is as the runtime asks for it.
func changelog() runtime.TopicSettings {
	return runtime.TopicSettings{Name: "acme-dev-changelog__totals--orders--sum", Partitions: 3, Replication: 2, Config: map[string]string{
		"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "2000000", "min.compaction.lag.ms": "900000",
	}}
}

func TestTopicsAreMadeAndAwaited(t *testing.T) {
	environment(t)
	existing := portaltest.Topic{ID: "acme-dev-orders", Name: "orders", Status: "Ready", Partitions: 1}
	for _, c := range []struct {
		name   string
		change func(*portaltest.Workspace)
		create runtime.TopicSettings
		took   time.Duration
		err    error
		text   string
	}{
		{"at once", func(*portaltest.Workspace) {}, changelog(), 0, nil, ""},
		{"later", func(w *portaltest.Workspace) { w.Pending = 3 }, changelog(), 3 * time.Second, nil, ""},
		{"never", func(w *portaltest.Workspace) { w.Pending = -1 }, changelog(), 5 * time.Second, portal.ErrTopic, `workspace "acme-dev": topic: not ready within 5s: "changelog__totals--orders--sum" (Creating)`},
		{"an error", func(w *portaltest.Workspace) { w.Broken = "no space" }, changelog(), 0, portal.ErrTopic, `"changelog__totals--orders--sum" is in the state of an error: no space`},
		{"a quota", func(w *portaltest.Workspace) { w.MaxPartitions = 2 }, changelog(), 0, &portal.Error{}, `make topic "changelog__totals--orders--sum": POST https://portal.test/acme-dev/topics: status 400 Bad Request: Quota: a topic may have 2 partitions (correlation id c0rrelation)`},
		{"another id", func(w *portaltest.Workspace) { w.Prefix = "other." }, changelog(), 0, portal.ErrTopic, `has the id "other.changelog__totals--orders--sum", and "acme-dev-changelog__totals--orders--sum" was expected: the platform has given it another id: start the program again`},
		{"exists", func(w *portaltest.Workspace) { w.Topics = append(w.Topics, existing) }, runtime.TopicSettings{Name: "acme-dev-orders", Partitions: 1}, 0, nil, ""},
		{"a short retention", func(*portaltest.Workspace) {}, runtime.TopicSettings{Name: "acme-dev-orders", Config: map[string]string{"retention.ms": "1000"}}, 0, portal.ErrTopic, "the platform counts whole minutes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &portaltest.Workspace{ID: "acme-dev", Connection: map[string]any{"bootstrap.servers": "kafka.test:9092"}}
				c.change(w)
				p := portaltest.New(w)
				o := options(p)
				o.TopicTimeout = 5 * time.Second
				config, err := quixcloud.Config(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				err = config.Topics.Admin.CreateTopics(t.Context(), []runtime.TopicSettings{c.create})
				if took := time.Since(began); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.err == nil {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				_, refused := errors.AsType[*portal.Error](err)
				if !errors.Is(err, c.err) && !refused || !strings.Contains(err.Error(), c.text) {
					t.Errorf("got %v, want %q", err, c.text)
				}
			})
		})
	}
}

func TestTheSettingsThatThePortalTakesAreSent(t *testing.T) {
	environment(t)
	p := acme()
	config, err := quixcloud.Config(t.Context(), options(p))
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Topics.Admin.CreateTopics(t.Context(), []runtime.TopicSettings{changelog()}); err != nil {
		t.Fatal(err)
	}
	topics := p.Topics("acme-dev")
	got := topics[len(topics)-1]
	text := []any{got.ID, got.Name, got.Partitions, got.Replication, got.Minutes, got.Bytes, got.Policy}
	want := []any{"acme-dev-changelog__totals--orders--sum", "changelog__totals--orders--sum", 3, 2, int64(-1), int64(-1), "Compact"}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
}

// The portal takes names that differ in case alone for the same.
func TestATopicWithASimilarNameIsAnError(t *testing.T) {
	environment(t)
	p := acme()
	p.Fail("POST /acme-dev/topics", 1, portaltest.Answer(400, `{"message":"Topic with similar name 'Orders' already exists"}`))
	config, err := quixcloud.Config(t.Context(), options(p))
	if err != nil {
		t.Fatal(err)
	}
	err = config.Topics.Admin.CreateTopics(t.Context(), []runtime.TopicSettings{{Name: "acme-dev-oRDERS", Partitions: 1}})
	if !errors.Is(err, portal.ErrExists) || !strings.Contains(err.Error(), `a name like that of "oRDERS", and none with this name`) {
		t.Errorf("got %v", err)
	}
}

func TestStateThatThePlatformDoesNotKeepIsLogged(t *testing.T) {
	for _, c := range []struct {
		deployed, enabled, topic string
		warns                    bool
	}{
		{"d", "", "changelog__g--in--sum", true},
		{"d", "True", "changelog__g--in--sum", true},
		{"d", "true", "changelog__g--in--sum", false},
		{"d", "", "orders", false},
		{"", "", "changelog__g--in--sum", false},
	} {
		environment(t, quixcloud.DeploymentVariable, c.deployed, quixcloud.StateEnabledVariable, c.enabled)
		var log bytes.Buffer
		o := options(acme())
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		config, err := quixcloud.Config(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := config.Topics.Admin.AwaitTopics(t.Context(), []string{"acme-dev-" + c.topic}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "the platform does not keep the state of this deployment"); got != c.warns {
			t.Errorf("%+v: log %q", c, log.String())
		}
	}
}
