//go:build unix

package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// Redis is a Redis server with TLS on a second port, and a cluster of three nodes beside it.
var Redis = server.Server{
	Name:  "redis",
	About: "Redis of Debian (apt; or redis-server in PATH)",
	Variables: []string{
		"WEIR_TEST_REDIS: the URL of a server, whose user may do everything",
		"WEIR_TEST_REDIS_TLS: its URL with TLS",
		"WEIR_TEST_REDIS_CA: a file with the authority of its certificate",
		"WEIR_TEST_REDIS_CLUSTER: URLs of the nodes of a cluster, separated by commas",
	},
	Sources: []fetch.Source{redisPrograms},
	Start: func(ctx context.Context, i *server.Instance) error {
		program, env, err := debianProgram(ctx, i, "redis-server", redisPrograms)
		if err != nil {
			return err
		}
		if err := writeCertificates(i.Write); err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		secure, err := i.Port(ctx)
		if err != nil {
			return err
		}
		certificates := filepath.Join(i.Dir, "secure")
		_, err = i.Start(ctx, server.Command{Name: "redis", Env: env, Args: []string{
			program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", "right",
			"--tls-port", strconv.Itoa(secure), "--tls-auth-clients", "no", "--tls-ca-cert-file", filepath.Join(certificates, "ca.pem"),
			"--tls-cert-file", filepath.Join(certificates, "broker.keystore.pem"), "--tls-key-file", filepath.Join(certificates, "broker.keystore.pem"),
		}}, server.Prints("Ready to accept connections"))
		if err != nil {
			return err
		}
		nodes, err := redisCluster(ctx, i, program, env)
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_REDIS", "redis://:right@"+server.Address(port))
		i.Export("WEIR_TEST_REDIS_TLS", "rediss://:right@"+server.Address(secure))
		i.Export("WEIR_TEST_REDIS_CA", filepath.Join(certificates, "ca.pem"))
		i.Export("WEIR_TEST_REDIS_CLUSTER", nodes)
		i.Say("Redis ready at %s, a cluster at %s", server.Address(port), nodes)
		return nil
	},
}

const (
	clusterNodes = 3
	clusterSlots = 16384
)

// redisCluster starts a cluster and returns the URLs of its nodes. The nodes are told their slots and each other here, because redis-cli waits for
// seconds.
func redisCluster(ctx context.Context, i *server.Instance, program string, env []string) (string, error) {
	tool, toolEnv, err := debianProgram(ctx, i, "redis-cli", redisPrograms)
	if err != nil {
		return "", err
	}
	ports := make([]int, clusterNodes)
	buses := make([]int, clusterNodes)
	urls := ""
	for n := range ports {
		if ports[n], err = i.Port(ctx); err != nil {
			return "", err
		}
		if buses[n], err = i.Port(ctx); err != nil {
			return "", err
		}
		name := fmt.Sprint("node", n)
		if err := os.Mkdir(filepath.Join(i.Dir, name), 0o755); err != nil {
			return "", err
		}
		_, err = i.Start(ctx, server.Command{Name: name, Env: env, Args: []string{
			program, "--port", strconv.Itoa(ports[n]), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", filepath.Join(i.Dir, name),
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(buses[n]), "--cluster-node-timeout", "5000",
		}}, server.Prints("Ready to accept connections"))
		if err != nil {
			return "", err
		}
		if n > 0 {
			urls += ","
		}
		urls += "redis://" + server.Address(ports[n])
	}
	for n, port := range ports {
		tell := func(args ...string) error {
			return i.Run(ctx, server.Command{Name: "redis-cli", Env: toolEnv, Args: append([]string{tool, "-e", "-p", strconv.Itoa(port), "cluster"}, args...)})
		}
		first, last := n*clusterSlots/clusterNodes, (n+1)*clusterSlots/clusterNodes-1
		if err := tell("set-config-epoch", strconv.Itoa(n+1)); err != nil {
			return "", err
		}
		if err := tell("addslotsrange", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return "", err
		}
		if n > 0 {
			if err := tell("meet", "127.0.0.1", strconv.Itoa(ports[0]), strconv.Itoa(buses[0])); err != nil {
				return "", err
			}
		}
	}
	for _, port := range ports {
		for !clusterReady(ctx, port) {
			select {
			case <-ctx.Done():
				return "", context.Cause(ctx)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return urls, nil
}

// clusterReady reports whether a node knows an owner of each slot.
func clusterReady(ctx context.Context, port int) bool {
	dialer := net.Dialer{Timeout: time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", server.Address(port))
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Second))
	if _, err := connection.Write([]byte("CLUSTER INFO\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 4096)
	n, err := connection.Read(answer)
	text := string(answer[:n])
	return err == nil && strings.Contains(text, "cluster_state:ok") && strings.Contains(text, fmt.Sprintf("cluster_known_nodes:%d", clusterNodes))
}
