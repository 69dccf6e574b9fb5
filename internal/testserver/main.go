//go:build unix

// Testserver runs a command with real servers on the loopback interface, for tests and benchmarks:
//
//	go run ./internal/testserver kafka,postgres -- go test ./...
//	go run ./internal/testserver kafka                             until Ctrl-C; prints the variables
//	go run ./internal/testserver -list                             the servers and their variables
//
// It fetches the servers once into a cache, starts them side by side on free ports, waits until they serve, and sets the
// environment variables that tests look for. After the command it stops everything that it started, with its data. Its
// exit status is that of the command; when that is not 0 it prints the end of each log.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/process"
	"github.com/weirstreams/weir/internal/testserver/server"
	"github.com/weirstreams/weir/internal/testserver/servers"
)

func main() {
	if err := process.Guard(); err != nil {
		say("%v", err)
		os.Exit(1)
	}
	status, err := run(os.Args[1:])
	if err != nil {
		say("%v", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

var output sync.Mutex // lines of servers that start side by side

func say(format string, args ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Fprintf(os.Stderr, "testserver: "+format+"\n", args...)
}

func run(args []string) (status int, err error) {
	flags := flag.NewFlagSet("testserver", flag.ContinueOnError)
	list := flags.Bool("list", false, "list the servers and their variables")
	only := flags.Bool("fetch", false, "fetch the servers into the cache, and start nothing")
	accept := flags.Bool("accept", false, "fetch the servers and write their checksums into the repository, and start nothing")
	logs := flags.String("logs", "", "a `directory` that gets the logs if the command fails")
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: testserver [flags] SERVER[,SERVER]... [-- COMMAND ARGS...]\n\n"+
			"WEIR_CACHE is the directory of the cache; the default is ~/.cache/weir.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, nil // the flag set has printed it
	}
	if *list {
		printServers()
		return 0, nil
	}
	chosen, command, err := parse(flags.Args())
	if err != nil {
		flags.Usage()
		return 2, err
	}
	if err := process.EndWithGoRun(); err != nil {
		return 1, fmt.Errorf("watch the go command: %w", err)
	}
	root, err := repository()
	if err != nil {
		return 1, err
	}
	dir, err := cacheDirectory()
	if err != nil {
		return 1, err
	}
	cache := fetch.NewCache(dir, root, say)
	ctx, again := signals()
	switch {
	case *accept:
		return 0, acceptSums(ctx, cache, chosen)
	case *only:
		return 0, fetchAll(ctx, cache, chosen)
	}
	return server.Run(ctx, server.Options{
		Servers: chosen, Command: command, Cache: cache, Logs: *logs, Say: say, Again: again,
		Print: func(line string) { fmt.Println(line) },
	})
}

// parse separates SERVER,SERVER -- COMMAND.
func parse(args []string) (chosen []server.Server, command []string, err error) {
	if len(args) == 0 {
		return nil, nil, errors.New("no server was named")
	}
	var known []string
	for _, s := range servers.All {
		known = append(known, s.Name)
	}
	seen := map[string]bool{}
	for name := range strings.SplitSeq(args[0], ",") {
		n := slices.Index(known, name)
		if n < 0 {
			return nil, nil, fmt.Errorf("no server %q: there are %s", name, strings.Join(known, ", "))
		}
		if !seen[name] {
			chosen = append(chosen, servers.All[n])
		}
		seen[name] = true
	}
	command = args[1:]
	if len(command) > 0 && command[0] != "--" {
		return nil, nil, fmt.Errorf("%q after the servers: the command comes after --", command[0])
	}
	if len(command) == 1 {
		return nil, nil, errors.New("no command after --")
	}
	if len(command) > 0 {
		command = command[1:]
	}
	return chosen, command, nil
}

func printServers() {
	for _, s := range servers.All {
		fmt.Printf("%-10s %s\n", s.Name, s.About)
		for _, v := range s.Variables {
			fmt.Printf("           sets %s\n", v)
		}
	}
}

// signals returns a context that the first SIGINT, SIGTERM or SIGHUP ends, and a channel that the second one closes.
func signals() (ctx context.Context, again <-chan struct{}) {
	ctx, cancel := context.WithCancelCause(context.Background())
	twice := make(chan struct{})
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		first, ok := (<-caught).(syscall.Signal)
		if !ok {
			first = syscall.SIGTERM
		}
		cancel(server.Interrupted{Signal: first})
		<-caught
		close(twice)
	}()
	return ctx, twice
}

func cacheDirectory() (string, error) {
	if dir := os.Getenv("WEIR_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir := os.Getenv("XDG_CACHE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the cache: %w", err)
		}
		dir = filepath.Join(home, ".cache")
	}
	return filepath.Join(dir, "weir"), nil
}

// repository returns the directory of the repository, which is the working directory or one above it.
func repository() (string, error) {
	work, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := work; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "internal", "testserver")); err == nil && info.IsDir() {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in the repository of Weir", work)
		}
	}
}

func fetchAll(ctx context.Context, cache *fetch.Cache, chosen []server.Server) error {
	for _, s := range chosen {
		for _, source := range s.Sources {
			if _, err := cache.Get(ctx, source); err != nil {
				return err
			}
		}
	}
	return nil
}

func acceptSums(ctx context.Context, cache *fetch.Cache, chosen []server.Server) error {
	for _, s := range chosen {
		for _, source := range s.Sources {
			if source.Unpinned {
				continue
			}
			sums, err := cache.Sums(ctx, source)
			if err != nil {
				return err
			}
			file := filepath.Join(cache.Root, "internal", "testserver", "servers", "sums", source.Name+".txt")
			if err := os.WriteFile(file, []byte(sums), 0o644); err != nil {
				return err
			}
			say("wrote %s", file)
		}
	}
	return nil
}
