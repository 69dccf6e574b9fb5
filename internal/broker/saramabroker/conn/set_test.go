package conn_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
)

// pipes is a dialer of connections without a network. It fails while refused is set.
type pipes struct {
	refused error
	far     []net.Conn
}

func (p *pipes) Dial(string, string) (net.Conn, error) {
	if p.refused != nil {
		return nil, p.refused
	}
	near, far := net.Pipe()
	p.far = append(p.far, far)
	return near, nil
}

// newSet returns a set that dials by p, and its settings.
func newSet(p *pipes) (*conn.Set, *conn.Settings) {
	settings := &conn.Settings{ClientID: "test", Tune: func(c *sarama.Config) { c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, p }}
	set := conn.NewSet()
	settings.Config(set)
	return set, settings
}

// isClosed reports whether this side of a pipe was closed.
func isClosed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.ErrClosedPipe)
}

func TestAClosedSetEndsItsConnectionsAndRefusesNewOnes(t *testing.T) {
	p := &pipes{}
	set, _ := newSet(p)
	first, err := set.Dial("tcp", "a:1")
	if err != nil {
		t.Fatal(err)
	}
	set.Interrupt()
	if !isClosed(first) {
		t.Error("a connection outlives Interrupt")
	}
	second, err := set.Dial("tcp", "a:1")
	if err != nil {
		t.Fatalf("after Interrupt: %v", err)
	}
	set.Close()
	if !isClosed(second) {
		t.Error("a connection outlives Close")
	}
	if _, err := set.Dial("tcp", "a:1"); err == nil {
		t.Error("a closed set opens a connection")
	}
	if set.Context().Err() == nil {
		t.Error("the context of a closed set goes on")
	}
}

func TestDialsOfAnAddressThatFailsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{refused: errors.New("refused")}
		set, _ := newSet(p)
		defer set.Close()
		set.Pause = 250 * time.Millisecond
		begun := time.Now()
		for range 3 {
			if _, err := set.Dial("tcp", "a:1"); !errors.Is(err, p.refused) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(begun); took != 500*time.Millisecond {
			t.Errorf("three dials took %v, want 500 ms", took)
		}
		if _, _ = set.Dial("tcp", "b:1"); time.Since(begun) != 500*time.Millisecond {
			t.Error("another address was paced as well")
		}
	})
}

func TestAClusterIsUnreachableFromTheFirstFailureToTheNextAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{refused: errors.New("refused")}
		set, settings := newSet(p)
		defer set.Close()
		if _, ok := settings.Reach.Unreachable(); ok {
			t.Error("unreachable before the first request")
		}
		first := time.Now()
		for range 2 {
			_, _ = set.Dial("tcp", "a:1")
			time.Sleep(time.Second)
		}
		if since, ok := settings.Reach.Unreachable(); !ok || !since.Equal(first) {
			t.Errorf("unreachable %v since %v, want since %v", ok, since, first)
		}
		p.refused = nil
		c, err := set.Dial("tcp", "a:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := settings.Reach.Unreachable(); !ok {
			t.Error("reachable by a connection alone, before an answer")
		}
		go func() { _, _ = p.far[0].Write([]byte("x")) }()
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if _, ok := settings.Reach.Unreachable(); ok {
			t.Error("unreachable after an answer")
		}
		p.far[0].Close()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlives its other end")
		}
		if _, ok := settings.Reach.Unreachable(); !ok {
			t.Error("reachable after the end of the connection")
		}
	})
}

func TestAnOutageIsLoggedOnceAndItsEndOnce(t *testing.T) {
	var log strings.Builder
	o := conn.NewOutage(slog.New(slog.NewTextHandler(&log, nil)), "reach the moon")
	for _, err := range []error{nil, io.EOF, io.EOF, nil, nil, io.EOF} {
		o.Note(err)
	}
	if got := strings.Count(log.String(), "cannot reach the moon"); got != 2 {
		t.Errorf("%d warnings, want 2:\n%s", got, log.String())
	}
	if got := strings.Count(log.String(), "can reach the moon again"); got != 1 {
		t.Errorf("%d ends, want 1:\n%s", got, log.String())
	}
}

func TestTheSettingsThatThisPackageReliesOnAreSetAfterTheUsers(t *testing.T) {
	settings := &conn.Settings{ClientID: "test", Tune: func(c *sarama.Config) {
		c.ClientID, c.Version, c.Metadata.AllowAutoTopicCreation = "mine", sarama.V1_0_0_0, true
		c.Consumer.IsolationLevel, c.Net.ReadTimeout = sarama.ReadUncommitted, time.Minute
	}}
	set := conn.NewSet()
	defer set.Close()
	c := settings.Config(set)
	if c.Version != conn.Version || c.Metadata.AllowAutoTopicCreation || c.Consumer.IsolationLevel != sarama.ReadCommitted {
		t.Errorf("version %v, topics made by asking %v, isolation %v", c.Version, c.Metadata.AllowAutoTopicCreation, c.Consumer.IsolationLevel)
	}
	if c.ClientID != "mine" || c.Net.ReadTimeout != time.Minute {
		t.Errorf("client id %q and read time-out %v are not the user's", c.ClientID, c.Net.ReadTimeout)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
