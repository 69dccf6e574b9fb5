package group

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/fault"
)

// groupClient is the client of a consumer group, with other answers about topics. The original fails, after many tries,
// as long as a partition has no leader or some member's topic is missing, and the group could not assign anything.
type groupClient struct {
	sarama.Client
	ctx     context.Context
	cluster Cluster
	own     []string
	known   map[string]int32 // is used by the goroutine that runs the group
}

// topicPatience is how long a topic may be unknown before a group goes on or, if the topic is its own, fails. A topic that
// was created just now may not be known to every broker.
const topicPatience = 2 * time.Second

// RefreshMetadata is called before a join, and before an assignment with the topics of all members.
func (c *groupClient) RefreshMetadata(topics ...string) error {
	begun := time.Now()
	for failures := 1; ; failures++ {
		sizes, err := c.cluster.TopicSizes(c.ctx, topics)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(topics), func(topic string) bool { return sizes[topic] > 0 })
		if len(missing) > 0 && time.Since(begun) < topicPatience {
			if err := fault.Backoff.Sleep(c.ctx, failures); err != nil {
				return err
			}
			continue
		}
		for _, topic := range missing {
			if slices.Contains(c.own, topic) {
				return fmt.Errorf("topic %q: %w", topic, sarama.ErrUnknownTopicOrPartition)
			}
			c.cluster.Logger().Warn("a topic of another member of the group is missing", "topic", topic)
		}
		c.known = sizes
		return nil
	}
}

// Partitions returns the partitions of a topic as of the last refresh.
func (c *groupClient) Partitions(topic string) ([]int32, error) {
	partitions := make([]int32, c.known[topic])
	for i := range partitions {
		partitions[i] = int32(i)
	}
	return partitions, nil
}

// patientDialer opens connections with a longer read time-out while a join is on its way: the coordinator holds it until
// all members have joined.
type patientDialer struct {
	*conn.Set
	joining *atomic.Bool
	longer  time.Duration
}

func (d patientDialer) Dial(network, addr string) (net.Conn, error) {
	conn, err := d.Set.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return &patientConn{conn, d}, nil
}

type patientConn struct {
	net.Conn
	dialer patientDialer
}

func (c *patientConn) SetReadDeadline(t time.Time) error {
	if c.dialer.joining.Load() {
		t = t.Add(c.dialer.longer)
	}
	return c.Conn.SetReadDeadline(t)
}
