package redis_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fake is a server that answers commands as a function says.
type fake struct {
	listener net.Listener
	wait     sync.WaitGroup

	mu       sync.Mutex // guards the rest
	commands []string   // that write
	conns    []net.Conn
}

// newFake starts a server. answer returns the answer to a command that writes, in the protocol of Redis; "" is none at all.
func newFake(tb testing.TB, answer func(n int, command []string) string) *fake {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	must(tb, err)
	f := &fake{listener: listener}
	f.wait.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			f.wait.Go(func() { f.serve(c, answer) })
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.wait.Wait()
	})
	return f
}

func (f *fake) url() string { return "redis://" + f.listener.Addr().String() }

func (f *fake) serve(c net.Conn, answer func(n int, command []string) string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		reply := "+OK\r\n"
		switch strings.ToUpper(command[0]) {
		case "PING", "INFO", "CLIENT", "SELECT":
		case "HELLO", "EVAL", "EVALSHA":
			reply = "-ERR unknown command\r\n"
		default:
			f.mu.Lock()
			f.commands = append(f.commands, strings.Join(command, " "))
			n := len(f.commands)
			f.mu.Unlock()
			reply = answer(n, command)
		}
		if _, err := io.WriteString(c, reply); err != nil {
			return
		}
	}
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...)
}

func readCommand(in *bufio.Reader) ([]string, error) {
	number := func(mark byte) (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if line[0] != mark {
			return 0, fmt.Errorf("%q does not begin with %c", line, mark)
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number('*')
	command := make([]string, n)
	for i := range command {
		size, failed := number('$')
		if failed != nil {
			return nil, failed
		}
		text := make([]byte, size+2)
		if _, err = io.ReadFull(in, text); err != nil {
			return nil, err
		}
		command[i] = string(text[:size])
	}
	return command, err
}
