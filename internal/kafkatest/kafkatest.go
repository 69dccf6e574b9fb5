// Package kafkatest gives integration tests a Kafka cluster.
//
// By default that is kfake, a broker in this process that listens on TCP. If WEIR_TEST_BROKERS is set to host:port
// addresses, separated by commas, it is the cluster there. Tests must pass with both; one that needs to inject faults
// asks Real first and skips itself.
package kafkatest

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir/internal/kafkatest/inprocess"
)

// Kafka is a cluster for the time of a test.
type Kafka struct {
	Brokers []string
	cluster *kfake.Cluster
}

// Start gives a test a cluster of its own, or that of WEIR_TEST_BROKERS, which it shares with others. Options are for
// kfake only; by default it is a single broker.
func Start(t testing.TB, options ...kfake.Opt) *Kafka {
	t.Helper()
	if brokers := os.Getenv("WEIR_TEST_BROKERS"); brokers != "" {
		return &Kafka{Brokers: strings.Split(brokers, ",")}
	}
	defaults := []kfake.Opt{kfake.GroupMinSessionTimeout(100 * time.Millisecond)}
	cluster, err := inprocess.Start(append(defaults, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &Kafka{Brokers: cluster.ListenAddrs(), cluster: cluster}
}

// Real says that the cluster is not kfake.
func (k *Kafka) Real() bool { return k.cluster == nil }

// Cluster returns the kfake cluster for fault injection. It is nil if the cluster is real.
func (k *Kafka) Cluster() *kfake.Cluster { return k.cluster }

// SessionTimeout is a short session timeout that the cluster accepts, and that a busy machine does not miss.
func (k *Kafka) SessionTimeout() time.Duration {
	if k.Real() {
		return 6 * time.Second // group.min.session.timeout.ms
	}
	return 2500 * time.Millisecond
}

// Name returns a name that nobody else uses.
func (k *Kafka) Name(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:10]) }

// Topic creates a topic with a name of its own and returns the name. Its records stay, however old their times are. On a real
// cluster it is deleted with the end of the test.
func (k *Kafka) Topic(t testing.TB, prefix string, partitions int32) string {
	t.Helper()
	name := k.Name(prefix)
	admin := k.admin(t)
	defer admin.Close()
	forever := "-1"
	detail := &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: -1, ConfigEntries: map[string]*string{"retention.ms": &forever},
	}
	if err := admin.CreateTopic(name, detail, false); err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	k.awaitLeaders(t, admin, name, int(partitions))
	if k.Real() {
		t.Cleanup(func() {
			admin := k.admin(t)
			defer admin.Close()
			if err := admin.DeleteTopic(name); err != nil {
				t.Logf("delete topic %s: %v", name, err)
			}
		})
	}
	return name
}

func (k *Kafka) admin(t testing.TB) sarama.ClusterAdmin {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	conf.ClientID = "kafkatest"
	admin, err := sarama.NewClusterAdmin(k.Brokers, conf)
	if err != nil {
		t.Fatalf("connect to %s: %v", k.Brokers, err)
	}
	return admin
}

// Grow gives a topic more partitions, and waits until they have leaders.
func (k *Kafka) Grow(t testing.TB, topic string, partitions int32) {
	t.Helper()
	admin := k.admin(t)
	defer admin.Close()
	if err := admin.CreatePartitions(topic, partitions, nil, false); err != nil {
		t.Fatal(err)
	}
	k.awaitLeaders(t, admin, topic, int(partitions))
}

// AwaitLeaders waits until each partition of a topic has a leader, after a test has created the topic by itself.
func (k *Kafka) AwaitLeaders(t testing.TB, topic string, partitions int) {
	t.Helper()
	admin := k.admin(t)
	defer admin.Close()
	k.awaitLeaders(t, admin, topic, partitions)
}

func (k *Kafka) awaitLeaders(t testing.TB, admin sarama.ClusterAdmin, topic string, partitions int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; time.Now().Before(deadline); <-tick.C {
		topics, err := admin.DescribeTopics([]string{topic})
		if err != nil || len(topics) != 1 || len(topics[0].Partitions) != partitions {
			continue
		}
		led := 0
		for _, p := range topics[0].Partitions {
			if p.Leader >= 0 && p.Err == sarama.ErrNoError {
				led++
			}
		}
		if led == partitions {
			return
		}
	}
	t.Fatalf("topic %s has no leaders", topic)
}
