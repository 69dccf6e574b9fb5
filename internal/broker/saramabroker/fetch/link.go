package fetch

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
)

// fetchLink is a connection for fetches to one broker at a time. It delivers records as bytes (see tap). It is used by one
// goroutine.
type fetchLink struct {
	conns *conn.Set
	conf  *sarama.Config
	tls   *tls.Config // nil without TLS

	*sarama.Broker // nil before the first fetch
	addr           string
	tap            atomic.Pointer[wire.Tap] // of the last dial, which the client does on a goroutine of its own
}

// newFetchLink returns a link that dials through conns. It takes conf's TLS over from the client, so that the tap sees
// the plain text.
func newFetchLink(conns *conn.Set, conf *sarama.Config) *fetchLink {
	l := &fetchLink{conns: conns}
	own := *conf
	own.Net.Proxy.Dialer = l
	if own.Net.TLS.Enable {
		l.tls = own.Net.TLS.Config
		if l.tls == nil {
			l.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		own.Net.TLS.Enable, own.Net.TLS.Config = false, nil
	}
	l.conf = &own
	return l
}

// Dial implements the client's dialer.
func (l *fetchLink) Dial(network, addr string) (net.Conn, error) {
	conn, err := l.conns.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	if l.tls != nil {
		if conn, err = l.shakeHands(conn, addr); err != nil {
			return nil, err
		}
	}
	tap := wire.NewTap(conn, l.conf.Net.ReadTimeout)
	l.tap.Store(tap)
	return tap, nil
}

// shakeHands puts TLS on a connection. As in the client, the broker has to prove that it has the name that was dialled,
// unless the configuration names another.
func (l *fetchLink) shakeHands(conn net.Conn, addr string) (net.Conn, error) {
	conf := l.tls
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("TLS with %s: %w", addr, err)
		}
		conf = conf.Clone()
		conf.ServerName = host
	}
	ctx, cancel := context.WithTimeout(l.conns.Context(), l.conf.Net.DialTimeout)
	defer cancel()
	secured := tls.Client(conn, conf)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", addr, err)
	}
	return secured, nil
}

// fetch sends a request to the broker at addr, and connects to it if need be. The caller owns the records.
func (l *fetchLink) fetch(addr string, request *sarama.FetchRequest) (*sarama.FetchResponse, wire.RecordSets, error) {
	if err := l.connect(addr); err != nil {
		return nil, nil, err
	}
	tap := l.tap.Load()
	tap.Arm()
	response, err := l.Broker.Fetch(request)
	sets := tap.Disarm()
	if err == nil && response.ErrorCode != 0 {
		err = sarama.KError(response.ErrorCode)
	} else if err != nil {
		l.close()
	}
	if err != nil {
		sets.Free()
		return nil, nil, err
	}
	return response, sets, nil
}

// connect opens the connection to the broker at addr unless it is open.
func (l *fetchLink) connect(addr string) error {
	if l.Broker == nil || l.addr != addr {
		l.close()
		l.Broker, l.addr = sarama.NewBroker(addr), addr
	}
	return conn.Open(l.Broker, l.conf)
}

func (l *fetchLink) close() {
	if l.Broker != nil {
		_ = l.Broker.Close() // which is an error if it is not open
	}
}
