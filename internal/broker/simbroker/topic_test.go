package simbroker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

func TestCreateTopicRefusesWhatABrokerRefuses(t *testing.T) {
	good := broker.TopicSpec{Name: "new", Partitions: 1, Replication: -1}
	with := func(change func(*broker.TopicSpec)) broker.TopicSpec {
		spec := good
		change(&spec)
		return spec
	}
	named := func(name string) broker.TopicSpec {
		return with(func(s *broker.TopicSpec) { s.Name = name })
	}
	configured := func(key, value string) broker.TopicSpec {
		return with(func(s *broker.TopicSpec) { s.Config = map[string]string{key: value} })
	}
	for _, test := range []struct {
		name string
		spec broker.TopicSpec
		want string // part of the error; empty if there is none
	}{
		{"a plain topic", good, ""},
		{"the longest name", named(strings.Repeat("x", 249)), ""},
		{"all kinds of characters", named("aZ09._-"), ""},
		{"no name", named(""), "empty"},
		{"a dot", named("."), `"."`},
		{"two dots", named(".."), `".."`},
		{"a name too long", named(strings.Repeat("x", 250)), "250 characters"},
		{"a space", named("a b"), "the character at 1"},
		{"a slash", named("a/b"), "the character at 1"},
		{"a letter that is not ASCII", named("größe"), "the character at 2"},
		{"a name that collides", named("old_topic"), "collides"},
		{"no partitions", with(func(s *broker.TopicSpec) { s.Partitions = 0 }), "0 partitions"},
		{"negative partitions", with(func(s *broker.TopicSpec) { s.Partitions = -1 }), "-1 partitions"},
		{"no replicas", with(func(s *broker.TopicSpec) { s.Replication = 0 }), "replication factor 0"},
		{"three replicas", with(func(s *broker.TopicSpec) { s.Replication = 3 }), ""},
		{"too many replicas", with(func(s *broker.TopicSpec) { s.Replication = 4 }), "replication factor 4"},
		{"both policies", configured("cleanup.policy", "compact,delete"), ""},
		{"an unknown policy", configured("cleanup.policy", "compress"), "cleanup.policy"},
		{"a setting that is misspelt", configured("retention.msec", "1"), "unknown setting"},
		{"a retention that is no number", configured("retention.ms", "1h"), "retention.ms"},
		{"no limit of retention", configured("retention.ms", "-1"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := newBroker(t, map[string]int32{"old.topic": 1})
			err := b.CreateTopics(t.Context(), test.spec)
			switch {
			case test.want == "":
				check(t, err)
			case err == nil || !strings.Contains(err.Error(), test.want):
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestATopicThatExistsIsLeftAlone(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"orders": 4})
	check(t, b.CreateTopics(t.Context(), broker.TopicSpec{Name: "orders", Partitions: 9, Replication: -1}))
	infos, err := b.Topics(t.Context(), "orders", "absent")
	check(t, err)
	id := infos["orders"].ID
	if id == "" {
		t.Error("the topic has no id")
	}
	equal(t, "topics", infos, map[string]broker.TopicInfo{"orders": {
		Name: "orders", Partitions: 4, Replication: 1,
		Config: map[string]string{
			"cleanup.policy": "delete", "delete.retention.ms": "86400000", "max.message.bytes": "1048588",
			"message.timestamp.after.max.ms": "9223372036854775807", "message.timestamp.before.max.ms": "9223372036854775807",
			"message.timestamp.type": "CreateTime",
			"retention.bytes":        "-1", "retention.ms": "604800000",
		},
		ID: id,
	}})
	b.DeleteTopic("orders")
	check(t, b.CreateTopic(broker.TopicSpec{Name: "orders", Partitions: 4, Replication: -1}))
	infos, err = b.Topics(t.Context(), "orders")
	check(t, err)
	if infos["orders"].ID == id {
		t.Error("a topic that was made anew has the id of the old one")
	}
}

func TestOneBadSpecDoesNotKeepTheOthersFromBeingCreated(t *testing.T) {
	b, _ := newBroker(t, nil)
	err := b.CreateTopics(t.Context(),
		broker.TopicSpec{Name: "b", Partitions: 1, Replication: -1},
		broker.TopicSpec{Name: "bad", Replication: -1},
		broker.TopicSpec{Name: "a", Partitions: 1, Replication: -1})
	if err == nil {
		t.Fatal("no error")
	}
	equal(t, "topics", b.TopicNames(), []string{"a", "b"})
}

func TestOffsetsOfUnknownPartitionsAreAnError(t *testing.T) {
	b, _ := newBroker(t, map[string]int32{"orders": 1})
	for _, unknown := range []broker.TopicPartition{tp("orders", 1), tp("orders", -1), tp("absent", 0)} {
		if _, err := b.Offsets(t.Context(), broker.End, tp("orders", 0), unknown); !errors.Is(err, weir.ErrUnknownTopic) {
			t.Fatalf("%s: error is %v", unknown, err)
		}
	}
}
