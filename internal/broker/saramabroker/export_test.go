package saramabroker

import (
	"testing"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// Kill closes the connections of a group for good and says nothing to the coordinator, as the death of a process does.
func Kill(g broker.Group) {
	g.(*group).conns.close()
	g.(*group).commits.close()
}

// ErrCorrupt is what a batch is that cannot be read.
var ErrCorrupt = errCorrupt

// FetchOnce asks the broker at an address for nothing, as a reader of a fetcher with this configuration would.
func FetchOnce(c broker.Cluster, conf *sarama.Config, addr string) error {
	conns := newConnections()
	defer conns.close()
	conns.reach = &c.(*cluster).reach
	conns.adopt(conf)
	link := newFetchLink(conns, conf)
	defer link.close()
	_, sets, err := link.fetch(addr, &sarama.FetchRequest{Version: 12, SessionEpoch: -1})
	sets.free()
	return err
}

// SetUnknownTries sets, for the time of a test that runs alone, how often a transaction asks again about a topic that is new.
func SetUnknownTries(t testing.TB, n int) {
	before := unknownTries
	unknownTries = n
	t.Cleanup(func() { unknownTries = before })
}
