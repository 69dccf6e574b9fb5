package fetch

import (
	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
)

// FetchOnce asks the broker at an address for nothing, as a reader of a fetcher with these settings would.
func FetchOnce(settings *conn.Settings, addr string) error {
	conns := conn.NewSet()
	defer conns.Close()
	link := newFetchLink(conns, settings.Config(conns))
	defer link.close()
	_, sets, err := link.fetch(addr, &sarama.FetchRequest{Version: 12, SessionEpoch: -1})
	sets.Free()
	return err
}
