//go:build unix

package fetch

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirstreams/weir/internal/testserver/process"
)

// Jars are Maven artifacts, as group:artifact:version, with everything that they need at run time.
func Jars(name, sums string, artifacts ...string) Source {
	return Source{
		Name: name, Sums: sums, definition: "jars " + strings.Join(artifacts, " "),
		Fill: func(ctx context.Context, files, work string) error {
			pom, err := pomOf(artifacts)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
				return err
			}
			return copyJars(ctx, files, work)
		},
	}
}

// JarsOf are the dependencies of a pom.xml of the repository.
func JarsOf(name, sums, pom string) Source {
	return Source{Name: name, Sums: sums, Lists: []string{pom}, definition: "pom", Fill: copyJars}
}

func copyJars(ctx context.Context, files, work string) error {
	return maven(ctx, work, "-f", filepath.Join(work, "pom.xml"), "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+files)
}

// Artifact is one Maven artifact, as group:artifact:version or group:artifact:version:type:classifier, without
// others. It is stored as the file name, which Unpack replaces.
func Artifact(name, sums, artifact, file string, unpack func(ctx context.Context, files string) error) Source {
	return Source{
		Name: name, Sums: sums, definition: "artifact " + artifact + " " + file, Unpack: unpack,
		Fill: func(ctx context.Context, files, work string) error {
			// Version 2.8, because later ones read the artifact's POM, and with it those of others.
			return maven(ctx, work, "org.apache.maven.plugins:maven-dependency-plugin:2.8:get", "-Dtransitive=false",
				"-Dartifact="+artifact, "-Ddest="+filepath.Join(files, file))
		},
	}
}

// NodeModules are the packages of a package-lock.json, which has their checksums.
func NodeModules(name, dir string) Source {
	return Source{
		Name: name, Unpinned: true, Lists: []string{filepath.Join(dir, "package.json"), filepath.Join(dir, "package-lock.json")},
		Fill: func(ctx context.Context, files, work string) error {
			err := run(ctx, work, "Node 18 or newer with npm (Debian: npm)", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
			if err != nil {
				return err
			}
			return os.Rename(filepath.Join(work, "node_modules"), filepath.Join(files, "node_modules"))
		},
	}
}

// PythonPackages are the packages of a requirements.txt. They are not in a virtual environment, because its programs name
// the directory that it was made in.
func PythonPackages(name, requirements string) Source {
	return Source{
		Name: name, Unpinned: true, Lists: []string{requirements},
		Fill: func(ctx context.Context, files, work string) error {
			return run(ctx, work, "Python 3.9 or newer with pip (Debian: python3-pip)", "python3", "-m", "pip", "install", "--quiet",
				"--disable-pip-version-check", "--target", files, "-r", filepath.Join(work, filepath.Base(requirements)))
		},
	}
}

// GoProgram is a program of a Go module, as package@version. The go command compares modules with its database of checksums.
func GoProgram(name, program string) Source {
	return Source{
		Name: name, Unpinned: true, definition: "go " + program,
		Fill: func(ctx context.Context, files, work string) error {
			return run(ctx, work, "coreutils", "env", "GOBIN="+files, "GOFLAGS=", "go", "install", program)
		},
	}
}

// DebianPackages are packages of the Debian release of this machine, unpacked and not installed, so that no rights are needed. Packages that they depend on
// have to be named too, unless each Debian has them. apt compares them with the signed lists of the release, whose security updates replace a
// version by the next one: they are not pinned.
func DebianPackages(name string, packages ...string) Source {
	return Source{
		Name: name, Unpinned: true, definition: "debian " + strings.Join(packages, " "),
		Fill: func(ctx context.Context, files, work string) error {
			const software = "apt (of Debian or Ubuntu)"
			get := append([]string{"apt-get", "download"}, packages...)
			if err := run(ctx, work, software, get...); err != nil { // the lists of the machine are missing, or of versions that are gone
				lists := filepath.Join(work, "lists")
				if err := os.MkdirAll(filepath.Join(lists, "partial"), 0o755); err != nil {
					return err
				}
				own := []string{"apt-get", "-o", "Dir::State::lists=" + lists, "-o", "APT::Sandbox::User="}
				if updated := run(ctx, work, software, append(own, "update")...); updated != nil {
					return errors.Join(err, updated)
				}
				if err := run(ctx, work, software, append(own, get[1:]...)...); err != nil {
					return err
				}
			}
			archives, err := filepath.Glob(filepath.Join(work, "*.deb"))
			if err != nil || len(archives) < len(packages) {
				return errors.Join(fmt.Errorf("%d archives for the packages %v", len(archives), packages), err)
			}
			for _, archive := range archives {
				if err := run(ctx, work, "dpkg", "dpkg-deb", "--extract", archive, files); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func maven(ctx context.Context, work string, args ...string) error {
	return run(ctx, work, "Maven 3.8 or newer (Debian: maven)", append([]string{"mvn", "-q", "-B"}, args...)...)
}

// run runs a program in the directory work. Its error has the output of the program, or says which software to install.
func run(ctx context.Context, work, software string, args ...string) error {
	if _, err := exec.LookPath(args[0]); err != nil {
		return fmt.Errorf("%s is missing: install %s: %w", args[0], software, err)
	}
	output, err := os.Create(filepath.Join(work, "output.log"))
	if err != nil {
		return err
	}
	defer output.Close()
	p, err := process.Start(process.Spec{Args: args, Dir: work, Stdout: output, Stderr: output})
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(syscall.SIGTERM, 5*time.Second)
		return context.Cause(ctx)
	}
	if err := p.Err(); err != nil {
		text, readErr := os.ReadFile(output.Name())
		return errors.Join(fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, text), readErr)
	}
	return nil
}

type dependency struct {
	Group    string `xml:"groupId"`
	Artifact string `xml:"artifactId"`
	Version  string `xml:"version"`
}

// pomOf is a pom.xml with dependencies and with the plugin that copies them.
func pomOf(artifacts []string) ([]byte, error) {
	pom := struct {
		XMLName      xml.Name     `xml:"http://maven.apache.org/POM/4.0.0 project"`
		Model        string       `xml:"modelVersion"`
		Group        string       `xml:"groupId"`
		Artifact     string       `xml:"artifactId"`
		Version      string       `xml:"version"`
		Packaging    string       `xml:"packaging"`
		Dependencies []dependency `xml:"dependencies>dependency"`
		Plugins      []dependency `xml:"build>plugins>plugin"`
	}{
		Model: "4.0.0", Group: "weir.ci", Artifact: "jars", Version: "1", Packaging: "pom",
		Plugins: []dependency{{"org.apache.maven.plugins", "maven-dependency-plugin", "3.8.1"}},
	}
	for _, a := range artifacts {
		parts := strings.Split(a, ":")
		if len(parts) != 3 || slices.Contains(parts, "") {
			return nil, fmt.Errorf("%q is no group:artifact:version", a)
		}
		pom.Dependencies = append(pom.Dependencies, dependency{parts[0], parts[1], parts[2]})
	}
	return xml.MarshalIndent(pom, "", "  ")
}
