# The files of a release: what goes into them, and how they are made.
# shellcheck shell=bash disable=SC2154

out=$target/dist
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$repo/Cargo.toml" | head -n 1)

# choose_machine MACHINE: sets what depends on it.
choose_machine() {
    machine=$1 triple=aarch64-unknown-linux-gnu debian=arm64 suffix='' revision=1
    case $machine in
        amd64)
            triple=x86_64-unknown-linux-gnu debian=amd64 board='' variant='' features=default
            binary=$target/release/nvr
            ;;
        arm64) board=jetpack6 variant=board features=none ;;
        # Sorts before the other one, which a newer Ubuntu is to take.
        jetpack5) board=jetpack5 variant=jetpack5 features=none suffix=-jetpack5 revision=1~jetpack5 ;;
        *) die "no machine named ${machine:-(none)}" "The machines are amd64, arm64 (JetPack 6 and 7) and jetpack5." ;;
    esac
    [ "$machine" = amd64 ] || binary=$(NVR_BOARD=$board "$repo/tools/cross" path)
    name=nvr-$version-$triple$suffix
    package=$out/nvr_$version-${revision}_$debian.deb
    # Where cargo-deb looks for target/release/…
    build=$out/build/$machine/$triple/release
    tree=$build/package
}

# Times in archives are those of the commit.
set_epoch() {
    [ -n "${SOURCE_DATE_EPOCH:-}" ] || SOURCE_DATE_EPOCH=$(git -C "$repo" log -1 --format=%ct 2>/dev/null) ||
        die "the time of the commit is not known: this is no git checkout" "Set SOURCE_DATE_EPOCH to the time of the release, in seconds."
    export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
    umask 022
}

# The program that was built, run where it can run.
run_binary() {
    if [ "$debian" = "$(dpkg --print-architecture)" ]; then
        "$binary" "$@"
    else
        NVR_BOARD=$board "$repo/tools/cross" run "$binary" "$@"
    fi
}

# All files except the program, as they lie on a machine, into $tree.
stage() {
    local doc=$tree/usr/share/doc/nvr shell file model
    rm -rf "$build" && mkdir -p "$doc/examples"
    echo "$SOURCE_DATE_EPOCH" >"$build/epoch"
    cp "$binary" "$build/nvr"
    "$repo/board/install" --destdir "$tree" --for package
    install -D -m 644 "$repo/board/debian/nvr.toml" "$tree/etc/nvr/nvr.toml"
    run_binary config init >"$doc/examples/nvr.toml"
    for model in "$repo"/models/*/model.toml; do
        install -D -m 644 "$model" "$tree/usr/share/nvr/models/$(basename "$(dirname "$model")")/model.toml"
    done
    mkdir -p "$tree"/usr/share/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
    run_binary man --out "$tree/usr/share/man/man1" >/dev/null
    gzip -9n "$tree"/usr/share/man/man1/*
    for shell in bash:bash-completion/completions/nvr zsh:zsh/vendor-completions/_nvr fish:fish/vendor_completions.d/nvr.fish; do
        run_binary completions "${shell%%:*}" >"$tree/usr/share/${shell#*:}"
    done
    # Links between the pages work; their pictures and schemas come along.
    for file in $(cd "$repo/docs" && git ls-files); do install -D -m 644 "$repo/docs/$file" "$doc/$file"; done
    install -m 644 "$repo/LICENSE" "$repo/board/debian/copyright" "$doc/"
    gzip -9n <"$repo/CHANGELOG.md" >"$doc/changelog.gz"
    printf 'nvr (%s) unstable; urgency=medium\n\n  * Changes: changelog.gz in this directory.\n\n -- nvr maintainers <maintainers@nvr.invalid>  %s\n' \
        "$version-$revision" "$(date -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.Debian.gz"
    check_units
}

# The scripts of the package name the units, and nothing else would notice one that is missing there.
check_units() {
    local units script named
    units=$(cd "$tree/usr/lib/systemd/system" && grep -l '^\[Install\]' -- *.service | grep -v '@' | tr '\n' ' ')
    for script in postinst prerm postrm; do
        named=$(sed -n "s/^units='\(.*\)'/\1/p" "$repo/board/debian/$script")
        [ "$named " = "$units" ] || die "board/debian/$script has units='$named'" "The units with [Install] in board/ are: $units"
    done
}

# Refuses a program that asks for a newer glibc than its package does: dpkg would install what does not start.
check_floor() {
    local newest stated
    newest=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
    stated=$(variant_of_manifest depends | grep -o 'libc6 (>= [0-9.]*' | sed 's/.* //')
    no_newer "$newest" "$stated" ||
        die "the program for $machine asks for glibc $newest, its package for $stated" \
            "Build it on an older base, or raise libc6 in Cargo.toml, [package.metadata.deb], with the systems that docs/packages.md names."
    say "glibc: the program asks for $newest, the package for $stated"
}

# variant_of_manifest KEY: of [package.metadata.deb] or of the variant, as text.
variant_of_manifest() {
    (cd "$repo" && cargo metadata --no-deps --offline --format-version 1) |
        jq -r --arg variant "$variant" --arg key "$1" '.packages[] | select(.name == "nvr") | .metadata.deb |
            (if $variant == "" then .[$key] else .variants[$variant][$key] end) | if type == "array" then join(", ") else . end'
}

# The tree with the program in it, below one folder: `tar --strip-components=1 -C /` installs it.
make_archive() {
    mkdir -p "$out"
    rm -rf "$build/archive" && mkdir "$build/archive"
    cp -a "$tree" "$build/archive/$name"
    install -D -m 755 "$binary" "$build/archive/$name/usr/bin/nvr"
    tar -C "$build/archive" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf - "$name" | zstd -q -12 -f -o "$out/$name.tar.zst"
    rm -rf "$build/archive"
}

make_package() {
    with_cache_lock cargo_deb
    local arguments=(--quiet --no-build --no-strip --compress-system --deb-revision "$revision" --output "$package")
    [ -z "$variant" ] || arguments+=(--variant "$variant")
    (cd "$repo" && CARGO_TARGET_DIR=$out/build/$machine "$cargo_tool" --target "$triple" "${arguments[@]}") ||
        die "cargo-deb could not make $package" "Its message stands above."
}

# What is compiled in, for this target and these features, and what is run to compile it. The workspace is copied without its other
# members: they would turn on features that the program is not built with. The tool also writes beside the manifest. The models that
# the program can fetch, and those whose manifests are packed, come from the program itself.
make_bill() {
    with_cache_lock cargo_cyclonedx
    local dir=$build/bill flags=() wanted found models
    rm -rf "$dir" && mkdir -p "$dir/crates"
    cp -r "$repo/crates/pixels" "$dir/crates/"
    cp "$repo/Cargo.lock" "$dir/"
    ln -s "$repo/src" "$repo/tests" "$repo/benches" "$dir/"
    sed 's/^members = .*/members = ["crates\/pixels"]/' "$repo/Cargo.toml" >"$dir/Cargo.toml"
    [ "$features" = default ] || flags=(--no-default-features)
    (cd "$dir" && "$cargo_tool" cyclonedx --quiet --format json --spec-version 1.5 --target "$triple" "${flags[@]}" \
        --override-filename bill) || die "cargo-cyclonedx could not make the bill of materials" "Its message stands above."
    wanted=$(cd "$dir" && cargo tree --offline --package nvr --edges normal,build --target "$triple" "${flags[@]}" --prefix none |
        sed 's/^\([^ ]*\) v\([^ ]*\).*/\1 \2/' | grep -v '^nvr ' | sort -u)
    run_binary model bill "$repo"/models/*/model.toml >"$dir/models.json" || die "the program does not name its models" "Its message stands above."
    # The tool goes by `cargo metadata`, which also names crates of features that are off; `cargo tree` has what is built.
    # No path of the machine that made it.
    jq --arg wanted "$wanted" --slurpfile models "$dir/models.json" '($wanted | split("\n")) as $built
        | .components |= map(select("\(.name) \(.version)" | IN($built[])))
        | ([.metadata.component, .components[]] | map(.["bom-ref"])) as $refs
        | .dependencies |= map(select(.ref | IN($refs[])) | if .dependsOn then .dependsOn |= map(select(IN($refs[]))) else . end)
        | .components += $models[0]' \
        "$dir/bill.json" | sed "s|file://$dir|file:///nvr|g" >"$out/$name.cdx.json"
    found=$(jq -r '.components[] | select(.type != "machine-learning-model") | "\(.name) \(.version)"' "$out/$name.cdx.json" | sort -u)
    [ "$wanted" = "$found" ] || die "the bill of materials lacks crates that the program is built of" \
        "$(comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$found"))"
    # Each with a licence, and a place that it comes from.
    models=$(jq -r '.components[] | select(.type == "machine-learning-model" and (.licenses | length) > 0
        and ((.externalReferences // .properties) | length) > 0) | .name' "$out/$name.cdx.json" | sort -u)
    [ "$models" = "$(jq -r '.[].name' "$dir/models.json" | sort -u)" ] && grep -qx yolo12n-640 <<<"$models" ||
        die "the bill of materials lacks models, or their licences" "$models"
    say "bill of materials: $(wc -l <<<"$found") crates for $triple, $(wc -l <<<"$models") models"
}

list_sums() {
    (cd "$out" && sha256sum -- *.tar.zst *.deb *.cdx.json >SHA256SUMS)
    (cd "$out" && stat -c '%s %n' -- "$name.tar.zst" "$(basename "$package")" "$name.cdx.json")
}
