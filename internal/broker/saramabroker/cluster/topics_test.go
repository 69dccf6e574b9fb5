package cluster_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/brokertest"
)

func TestTopicsAreCreatedAndDescribed(t *testing.T) {
	k, c := brokertest.Start(t)
	a, b := k.Name("admin-a"), k.Name("admin-b")
	specs := []broker.TopicSpec{
		{Name: a, Partitions: 3, Replication: -1, Config: map[string]string{"cleanup.policy": "compact", "retention.ms": "12345000"}},
		{Name: b, Partitions: 1, Replication: 1},
	}
	for range 2 { // the second time they exist
		if err := c.CreateTopics(brokertest.Within(t), specs...); err != nil {
			t.Fatal(err)
		}
		specs[0].Partitions = 5 // which is not looked at any more
	}
	infos, err := c.Topics(brokertest.Within(t), a, b, k.Name("none"))
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != 2 || infos[a].Name != a || infos[a].Partitions != 3 || infos[b].Partitions != 1 || infos[b].Replication != 1 {
		t.Errorf("got %+v", infos)
	}
	for key, want := range map[string]string{"cleanup.policy": "compact", "retention.ms": "12345000", "retention.bytes": "-1"} {
		if got := infos[a].Config[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if err := c.CreateTopics(brokertest.Within(t), broker.TopicSpec{Name: k.Name("admin-c"), Partitions: 1, Replication: 9}); err == nil {
		t.Error("a topic with more replicas than brokers was created")
	}
	_, err = c.Topics(brokertest.Within(t))
	if err != nil {
		t.Error(err)
	}
}
