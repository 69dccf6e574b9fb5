//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/process"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Postgres is PostgreSQL with an empty database. Its programs are those of the directory WEIR_POSTGRES_BIN, or else
// fetched (x86-64 Linux).
var Postgres = server.Server{
	Name:      "postgres",
	About:     "PostgreSQL " + postgresVersion + " (Maven, xz; or WEIR_POSTGRES_BIN, a directory with initdb and postgres)",
	Variables: []string{"WEIR_TEST_POSTGRES: its URL"},
	Sources:   []fetch.Source{postgresPrograms},
	Start: func(ctx context.Context, i *server.Instance) error {
		programs, err := postgresBin(ctx, i)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		password, err := i.Write("password", "right")
		if err != nil {
			return err
		}
		data := filepath.Join(i.Dir, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		owner, err := unprivileged(data, password)
		if err != nil {
			return err
		}
		if err := i.Run(ctx, server.Command{Name: "initdb", User: owner, Args: []string{
			filepath.Join(programs, "initdb"), "-D", data, "-U", "weir", "--pwfile=" + password, "-A", "scram-sha-256",
			"-E", "UTF8", "--no-locale", "--no-sync",
		}}); err != nil {
			return err
		}
		_, err = i.Start(ctx, server.Command{Name: "postgres", User: owner, Stop: syscall.SIGQUIT, Args: []string{
			filepath.Join(programs, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=40",
			"-c", "wal_level=logical", "-c", "max_wal_senders=20", "-c", "max_replication_slots=40",
		}}, server.Prints("ready to accept connections"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_POSTGRES", "postgres://weir:right@"+server.Address(port)+"/postgres")
		i.Say("PostgreSQL ready at %s", server.Address(port))
		return nil
	},
}

// postgresBin returns the directory with the programs.
func postgresBin(ctx context.Context, i *server.Instance) (string, error) {
	if bin := os.Getenv("WEIR_POSTGRES_BIN"); bin != "" {
		return bin, nil
	}
	if system := runtime.GOOS + "/" + runtime.GOARCH; system != "linux/amd64" {
		return "", fmt.Errorf("no programs of PostgreSQL to fetch for %s: set WEIR_POSTGRES_BIN to the directory of those of an installation", system)
	}
	fetched, err := i.Fetch(ctx, postgresPrograms)
	if err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(fetched, "postgres-*.txz"))
	if err != nil || len(archives) != 1 {
		return "", errors.Join(fmt.Errorf("%s has %d archives of programs instead of 1: remove it, and it is fetched again", fetched, len(archives)), err)
	}
	programs := filepath.Join(i.Dir, "programs")
	if err := os.Mkdir(programs, 0o755); err != nil {
		return "", err
	}
	return filepath.Join(programs, "bin"), fetch.Untar(ctx, archives[0], programs)
}

// unprivileged returns a user that PostgreSQL accepts, and gives it the files: PostgreSQL refuses to run as root. It
// returns nil if this user will do.
func unprivileged(files ...string) (*process.User, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the user nobody: %w", err)
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the user nobody: %w", err)
	}
	for _, file := range files {
		if err := os.Chown(file, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	return &process.User{UID: uint32(uid), GID: uint32(gid)}, nil
}
