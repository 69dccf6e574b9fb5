//go:build unix

package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirstreams/weir/internal/testserver/control"
)

// roleVariable makes the test binary a program of a test, with arguments.
const roleVariable = "WEIR_TEST_ROLE"

func TestMain(m *testing.M) {
	args := os.Args[1:]
	switch role := os.Getenv(roleVariable); role {
	case "":
		goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/weirstreams/weir/internal/testserver/process.launch"))
		return
	case "server": // on a port
		listener, err := net.Listen("tcp", "127.0.0.1:"+args[0])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("serves")
		for {
			connection, err := listener.Accept()
			if err != nil {
				os.Exit(1)
			}
			connection.Close()
		}
	case "never ready":
		fmt.Println("still reading the configuration")
		wait()
	case "fails":
		fmt.Println("cannot open the data")
		os.Exit(3)
	case "connects": // to the addresses of variables
		for _, name := range args {
			connection, err := net.Dial("tcp", os.Getenv(name))
			if err != nil {
				fmt.Println(name, err)
				os.Exit(1)
			}
			connection.Close()
		}
	case "waits for the end": // of whatever accepts connections at an address
		for tick := time.Tick(pollInterval); accepts(os.Getenv(args[0])); {
			<-tick
		}
	case "asks": // for verbs of a server
		for _, verb := range args[1:] {
			if err := control.Do(context.Background(), args[0], verb); err != nil {
				fmt.Println(err)
				os.Exit(9)
			}
		}
	case "exits":
		status, err := strconv.Atoi(args[0])
		if err != nil {
			panic(err)
		}
		os.Exit(status)
	case "is killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "waits": // for a signal, after it has written the variables into a file
		if err := os.WriteFile(args[0]+".part", []byte(strings.Join(os.Environ(), "\n")), 0o644); err != nil {
			panic(err)
		}
		if err := os.Rename(args[0]+".part", args[0]); err != nil {
			panic(err)
		}
		wait()
	case "tool": // with one server and a command that waits
		os.Exit(tool(args[0]))
	default:
		panic(role)
	}
	os.Exit(0)
}

// wait waits for a signal. A select without cases would be a deadlock.
func wait() {
	for range time.Tick(time.Hour) {
	}
}

// accepts tells whether an address accepts connections.
func accepts(address string) bool {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// role is a command: the test binary in a role.
func role(name string, args ...string) []string {
	return append([]string{"env", roleVariable + "=" + name, os.Args[0]}, args...)
}

// listening is a server that exports its address.
func listening(name, variable string) Server {
	return Server{Name: name, Start: func(ctx context.Context, i *Instance) error {
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		i.Export(variable, Address(port))
		_, err = i.Start(ctx, Command{Name: name, Args: role("server", strconv.Itoa(port))}, Listens(port))
		return err
	}}
}

// running is a server with one program that is never ready.
func running(name string, c Command) Server {
	return Server{Name: name, Start: func(ctx context.Context, i *Instance) error {
		_, err := i.Start(ctx, c, Prints("serves"))
		return err
	}}
}
