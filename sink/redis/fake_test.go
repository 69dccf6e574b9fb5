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

	"github.com/weirstreams/weir/internal/nettest"
)

// fake is a server that answers commands as a function says.
type fake struct {
	address string

	mu       sync.Mutex // guards commands
	commands []string   // that write
}

// newFake starts a server. answer returns the answer to a command that writes, in the protocol of Redis; "" is none at all.
func newFake(tb testing.TB, answer func(n int, command []string) string) *fake {
	tb.Helper()
	f := &fake{}
	f.address = nettest.Serve(tb, func(c net.Conn) { f.serve(c, answer) })
	return f
}

func (f *fake) url() string { return "redis://" + f.address }

func (f *fake) serve(c net.Conn, answer func(n int, command []string) string) {
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
