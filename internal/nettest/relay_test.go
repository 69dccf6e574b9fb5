package nettest_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/nettest"
)

// echo starts a server that sends back all bytes.
func echo(t *testing.T) string {
	t.Helper()
	return nettest.Serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a text and returns what comes back of it.
func ask(c net.Conn, text string) (string, error) {
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	answer := make([]byte, len(text))
	n, err := io.ReadFull(c, answer)
	return string(answer[:n]), err
}

func TestARelayPassesBytesOnUntilItCuts(t *testing.T) {
	t.Parallel()
	r := nettest.NewRelay(t, "tcp://"+echo(t))
	c := dial(t, r.Address())
	if got, err := ask(c, "hello"); got != "hello" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if n := r.Cut(); n != 1 {
		t.Errorf("cut %d connections", n)
	}
	if got, err := ask(c, "hello"); err == nil {
		t.Errorf("a cut connection answers %q", got)
	}
	if got, err := ask(dial(t, r.Address()), "again"); got != "again" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestARelayRefusesConnections(t *testing.T) {
	t.Parallel()
	r := nettest.NewRelay(t, echo(t))
	r.Refuse(true)
	if got, err := ask(dial(t, r.Address()), "hello"); err == nil {
		t.Errorf("a refused connection answers %q", got)
	}
	if n := r.Refuse(false); n != 0 {
		t.Errorf("cut %d connections", n)
	}
	if got, err := ask(dial(t, r.Address()), "hello"); got != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestARelayIsSilent(t *testing.T) {
	t.Parallel()
	r := nettest.NewRelay(t, echo(t))
	c := dial(t, r.Address())
	r.Silence(true)
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(c, "hello"); err == nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r.Silence(false)
	answer := make([]byte, 5)
	if _, err := io.ReadFull(c, answer); string(answer) != "hello" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestARelayCutsWithinAnAnswer(t *testing.T) {
	t.Parallel()
	r := nettest.NewRelay(t, echo(t))
	r.CutAfter(1000)
	got, err := ask(dial(t, r.Address()), strings.Repeat("x", 1001))
	if len(got) > 1000 || err == nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := ask(dial(t, r.Address()), strings.Repeat("x", 1001)); len(got) != 1001 || err != nil {
		t.Errorf("the next connection: %d bytes, %v", len(got), err)
	}
}

// The end of the client's bytes is the end of the server's, in order: its last bytes arrive.
func TestARelayEndsConnectionsAsTheirSidesDo(t *testing.T) {
	t.Parallel()
	read := make(chan string, 1)
	server := nettest.Serve(t, func(c net.Conn) {
		all, err := io.ReadAll(c)
		if err != nil {
			all = []byte(err.Error())
		}
		read <- string(all)
	})
	c := dial(t, nettest.NewRelay(t, server).Address())
	if _, err := io.WriteString(c, "bye"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := <-read; got != "bye" {
		t.Errorf("the server has read %q", got)
	}
}

func TestAParsingRelayDecidesAboutRequests(t *testing.T) {
	t.Parallel()
	r := nettest.NewParsingRelay(t, echo(t), func(to io.Writer, from io.Reader) error {
		request := make([]byte, 3)
		for {
			if _, err := io.ReadFull(from, request); err != nil {
				return nil
			}
			if string(request) == "bad" {
				return errors.New("cut")
			}
			if _, err := to.Write(request); err != nil {
				return err
			}
		}
	})
	c := dial(t, r.Address())
	if got, err := ask(c, "one"); got != "one" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := ask(c, "bad"); err == nil {
		t.Errorf("%q, %v", got, err)
	}
}
