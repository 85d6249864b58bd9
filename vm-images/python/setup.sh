# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Adapts pip, npm and matplotlib to machines without a network and without user configuration. Also does
# the work that the first import would otherwise repeat in each machine: it compiles modules and
# builds matplotlib's list of fonts.

packages=/usr/lib/python3/dist-packages

# Python adds these folders to its path only if they exist when it starts, and pip creates them later.
[ "$IMAGE_USER" = root ] ||
    runuser -u "$IMAGE_USER" -- sh -c 'mkdir -p "$HOME/.local/bin" "$(python3 -m site --user-site)"'

# extend FILE MODULE FUNCTION: appends a call of MODULE.FUNCTION to a module of Debian, in order to patch it.
extend() {
    [ -e "$packages/$1" ]
    cat >>"$packages/$1" <<END

try:  # added by the recipe of this image
    from $2 import $3
except ImportError:
    pass
else:
    $3(globals())
END
}
extend pip/_internal/index/collector.py cloche_unreached install
extend matplotlib/font_manager.py cloche_glyphs install_in_texts
extend matplotlib/_mathtext.py cloche_glyphs install_in_formulas

# npm installs global packages where those of the recipe are, and does not look for newer versions of itself. The
# link, by which programs could require npm, would make Debian's npm, if somebody installs it, write into this one.
npm=/usr/local/lib/node_modules/npm
if [ -d $npm ]; then
    printf 'prefix=/usr/local\nupdate-notifier=false\n' >$npm/npmrc
    rm -rf $npm/docs $npm/man /usr/share/nodejs/npm
fi

# Unifont has the glyphs that no other font has. Two of its files are sufficient.
find /usr/share/fonts -type f -name 'unifont*' ! -name unifont.otf ! -name unifont_upper.otf -delete

python3 -m compileall -q -j 0 /usr/lib/python3.* "$packages"

# Also checks that all fonts are installed: matplotlib warns about missing glyphs, and -W makes the warning
# an error.
for user in root "$IMAGE_USER"; do
    runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d: -f6)" MPLBACKEND=agg \
        python3 -W error::UserWarning -c '
import matplotlib.pyplot as plt, IPython
plt.title("Aa 周 か 한 😀 🟢 → ∑")
plt.xlabel("$x$ 周")
plt.gcf().canvas.draw()
IPython.paths.get_ipython_dir()'
done
