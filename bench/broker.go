package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// brokerCommand runs a broker until the process is told to stop.
func brokerCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("broker", flag.ExitOnError)
	port := flags.Int("port", 0, "port on 127.0.0.1; 0 takes a free one")
	attached := flags.Bool("attached", false, "answer each line of standard input with the CPU time used, in ns; end with it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listen := func(network, _ string) (net.Listener, error) {
		var config net.ListenConfig
		return config.Listen(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)))
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(listen))
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Println(cluster.ListenAddrs()[0])
	if !*attached {
		<-ctx.Done()
		return nil
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(int64(processCPU()))
	}
	return nil
}

// brokerProcess is a broker in a process of its own.
type brokerProcess struct {
	address string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startBroker(ctx context.Context) (*brokerProcess, error) {
	command, err := self(ctx, "broker", "-attached")
	if err != nil {
		return nil, err
	}
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	b := &brokerProcess{command: command, in: in, out: bufio.NewReader(out)}
	if b.address, err = b.line(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *brokerProcess) line() (string, error) {
	line, err := b.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read from the broker's process: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// cpu returns the CPU time that the broker has used.
func (b *brokerProcess) cpu() (time.Duration, error) {
	if _, err := io.WriteString(b.in, "cpu\n"); err != nil {
		return 0, fmt.Errorf("ask the broker's process: %w", err)
	}
	line, err := b.line()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(line, 10, 64)
	return time.Duration(n), err
}

// close stops the broker and waits for its process.
func (b *brokerProcess) close() error { return errors.Join(b.in.Close(), b.command.Wait()) }

// childVariable tells the test binary to be bench.
const childVariable = "WEIR_BENCH_CHILD"

// self returns a command that runs this program again. It is killed when ctx ends.
func self(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, path, args...)
	command.Env = append(os.Environ(), childVariable+"=1")
	command.Stderr = os.Stderr
	return command, nil
}
