(* Derivatives along an interval of time, for numbers and for matrices.

   I is any set of times; the theorems ask that it is an interval: the whole line, an open interval, [0, T), a point.
   derives I f f' says that at every time t of I the difference quotient (f s - f t) / (s - t) tends to f' t as s tends
   to t inside I. At an inner point this is the usual derivative, at an end of I that belongs to it the one-sided one.
   "A function solves a differential equation on I" is said with it, so the theorems of the other files speak of every
   solution on every interval of time, and assume nothing about existence or uniqueness.

   Proved here: the rules (sum, product, composition, matrix product, transpose); a function with derivative 0 on an
   interval is constant, one with derivative <= 0 does not increase; a solution of h' = c h on an interval is
   h t = e^(c (t - s)) h s. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions signed reals topology normedtype derive.
From mathcomp Require Import sequences realfun exp.
From mathcomp Require Import ring.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope classical_set_scope.
Local Open Scope ring_scope.

Section Scalars.
Variable R : realType.
Implicit Types (I : set R) (f g : R -> R) (s t c : R).

(* The points of I near t, without t. *)
Definition near_in I t := within [set s | I s /\ s != t] (nbhs t).

Definition derives_at I f t (a : R) := (f s - f t) / (s - t) @[s --> near_in I t] --> a.

Definition derives I f f' := forall t, I t -> derives_at I f t (f' t).

Global Instance near_in_filter I t : Filter (near_in I t).
Proof. exact: within_filter. Qed.

Lemma near_eq_at I t (u v : R -> R) (a : R) :
  (forall s, s != t -> u s = v s) -> v s @[s --> near_in I t] --> a -> u s @[s --> near_in I t] --> a.
Proof.
move=> uv; apply: cvg_trans; apply: near_eq_cvg.
by apply: (@filterE _ (nbhs t)) => s [_ st]; rewrite uv.
Qed.

Lemma at_time I t : s @[s --> near_in I t] --> t.
Proof. exact: cvg_within. Qed.

Lemma derives_at_continuous I f t a : derives_at I f t a -> f s @[s --> near_in I t] --> f t.
Proof.
move=> df.
apply: (@near_eq_at _ _ _ (fun s => f t + (f s - f t) / (s - t) * (s - t))).
  by move=> s st; rewrite divfK ?subr_eq0 // addrC subrK.
rewrite -[X in _ --> X]addr0 -(mulr0 a) -[X in _ --> _ + _ * X](subrr t).
apply: cvgD; first exact: cvg_cst.
apply: cvgM => //; apply: cvgB; [exact: at_time|exact: cvg_cst].
Qed.

Lemma derives_eq I f f' g' : derives I f f' -> (forall t, I t -> f' t = g' t) -> derives I f g'.
Proof. by move=> df e t It; rewrite -e //; exact: df. Qed.

Lemma derives_ext I f g f' : (forall t, g t = f t) -> derives I f f' -> derives I g f'.
Proof. by move=> /funext ->. Qed.

Lemma derives_cst I c : derives I (fun=> c) (fun=> 0).
Proof.
move=> t It; apply: (@near_eq_at _ _ _ (fun=> 0)); last exact: cvg_cst.
by move=> s _; rewrite subrr mul0r.
Qed.

Lemma derives_id I : derives I (fun t => t) (fun=> 1).
Proof.
move=> t It; apply: (@near_eq_at _ _ _ (fun=> 1)); last exact: cvg_cst.
by move=> s st; rewrite divff // subr_eq0.
Qed.

Lemma derivesD I f g f' g' : derives I f f' -> derives I g g' ->
  derives I (fun t => f t + g t) (fun t => f' t + g' t).
Proof.
move=> df dg t It; rewrite /derives_at; apply: (near_eq_at _ (cvgD (df t It) (dg t It))) => s _ /=.
by rewrite opprD addrACA mulrDl.
Qed.

Lemma derivesM I f g f' g' : derives I f f' -> derives I g g' ->
  derives I (fun t => f t * g t) (fun t => f' t * g t + f t * g' t).
Proof.
move=> df dg t It.
have cg := derives_at_continuous (dg t It).
have cf : f t @[_ --> near_in I t] --> f t by exact: cvg_cst.
apply: (near_eq_at _ (cvgD (cvgM (df t It) cg) (cvgM cf (dg t It)))) => s st /=.
have {}st : s - t != 0 by rewrite subr_eq0.
rewrite -[LHS]/((f s * g s - f t * g t) / (s - t)).
rewrite -[RHS]/((f s - f t) / (s - t) * g s + f t * ((g s - g t) / (s - t))).
by field.
Qed.

Lemma derivesZ I c f f' : derives I f f' -> derives I (fun t => c * f t) (fun t => c * f' t).
Proof.
move=> df; apply: derives_eq (derivesM (@derives_cst I c) df) _ => t It.
by rewrite mul0r add0r.
Qed.

Lemma derivesN I f f' : derives I f f' -> derives I (fun t => - f t) (fun t => - f' t).
Proof.
move=> df; apply: (@derives_ext _ (fun t => -1 * f t)); first by move=> t; rewrite mulN1r.
by apply: derives_eq (@derivesZ I (-1) _ _ df) _ => t It; rewrite mulN1r.
Qed.

Lemma derivesB I f g f' g' : derives I f f' -> derives I g g' ->
  derives I (fun t => f t - g t) (fun t => f' t - g' t).
Proof. by move=> df dg; apply: derivesD df (derivesN dg). Qed.

Lemma derives_sum I (J : finType) (f f' : J -> R -> R) : (forall j, derives I (f j) (f' j)) ->
  derives I (fun t => \sum_j f j t) (fun t => \sum_j f' j t).
Proof.
move=> df.
elim: (index_enum J) => [|j js IH].
  apply: (@derives_ext _ (fun=> 0)) => [t|]; first by rewrite big_nil.
  by apply: derives_eq (@derives_cst I 0) _ => t It; rewrite big_nil.
apply: (@derives_ext _ (fun t => f j t + \sum_(i <- js) f i t)) => [t|]; first by rewrite big_cons.
by apply: derives_eq (derivesD (df j) IH) _ => t It; rewrite big_cons.
Qed.

Lemma derives_square I f f' : derives I f f' -> derives I (fun t => f t ^+ 2) (fun t => 2 * (f' t * f t)).
Proof.
move=> df; apply: (@derives_ext _ (fun t => f t * f t)); first by move=> t; rewrite expr2.
apply: derives_eq (derivesM df df) _ => t It; ring.
Qed.

(* The chain rule for an outer function that is differentiable in the usual sense. *)
Lemma derives_comp I (h : R -> R) h' f f' : derives I f f' ->
  (forall t, I t -> is_derive (f t) 1 h (h' (f t))) ->
  derives I (fun t => h (f t)) (fun t => h' (f t) * f' t).
Proof.
move=> df dh t It.
have /is_derive1_caratheodory[k [hk kc <-]] := dh t It.
have kf : k (f s) @[s --> near_in I t] --> k (f t).
  apply: continuous_cvg; first exact: kc.
  exact: derives_at_continuous (df t It).
by apply: near_eq_at (cvgM kf (df t It)) => s st; rewrite hk mulrA.
Qed.

Lemma derives_exp I f f' : derives I f f' -> derives I (fun t => expR (f t)) (fun t => expR (f t) * f' t).
Proof. by move=> df; apply: (derives_comp df) => t It; exact: is_derive_expR. Qed.

(* The mean value theorem, with derivatives inside an interval that may be one-sided. *)
Lemma mean_value I f f' x y : is_interval I -> derives I f f' -> I x -> I y -> x < y ->
  exists2 c, I c & f y - f x = f' c * (y - x).
Proof.
move=> iI df Ix Iy xy.
have sub z : z \in `[x, y] -> I z.
  rewrite in_itv /= => /andP[xz zy]; move: xz zy; rewrite !le_eqVlt.
  move=> /orP[/eqP<-//|xz] /orP[/eqP->//|zy]; apply: (iI x y) => //.
  by rewrite !ltW.
have [] := @MVT R f f' x y xy.
- move=> z zxy; have Iz := sub z (subset_itv_oo_cc zxy).
  apply/is_derive1_caratheodory.
  exists (fun w => if w == z then f' z else (f w - f z) / (w - z)); split; last by rewrite eqxx.
  + move=> w; case: eqP => [->|/eqP wz]; first by rewrite !subrr mulr0.
    by rewrite divfK // subr_eq0.
  + apply/continuous_withinNx; rewrite eqxx.
    have near_z : z^' `=>` near_in I z.
      move=> P Pz; rewrite /dnbhs; apply: filterS2 (near_in_itv zxy) Pz => w wxy Pw wz.
      by apply: Pw; split=> //; exact/sub/subset_itv_oo_cc.
    apply: (cvg_trans (cvg_app _ near_z)).
    by apply: near_eq_at (df z Iz) => s /negbTE ->.
- apply/(@subspace_continuousP _ `[x, y] _ f) => z zxy; have Iz := sub z zxy.
  move=> P Pz; have near_z : near_in I z (f @^-1` P) := derives_at_continuous (df z Iz) Pz.
  change (nbhs z [set w | w \in `[x, y] -> P (f w)]).
  move: near_z; rewrite /near_in /within /=; apply: (@filterS _ (nbhs z)) => w Pw wxy.
  have [->|wz] := eqVneq w z; first exact: nbhs_singleton Pz.
  by apply: Pw; split=> //; exact: sub.
- by move=> c cxy E; exists c => //; exact/sub/subset_itv_oo_cc.
Qed.

(* On an interval, a function whose derivative is zero is constant. *)
Theorem zero_derivative_constant I f : is_interval I -> derives I f (fun=> 0) ->
  forall s t, I s -> I t -> f s = f t.
Proof.
move=> iI df.
suff main x y : I x -> I y -> x < y -> f y = f x.
  move=> s t Is It; case: (ltgtP s t) => [st|ts|->//]; [exact/esym/main|exact: main].
move=> Ix Iy xy; have [c _] := mean_value iI df Ix Iy xy.
by rewrite mul0r => /eqP; rewrite subr_eq0 => /eqP.
Qed.

(* Where the derivative is at most 0, the function does not increase; where it is at least 0, it does not decrease. *)
Theorem nonpositive_derivative_nonincreasing I f f' : is_interval I -> derives I f f' ->
  (forall t, I t -> f' t <= 0) -> forall s t, I s -> I t -> s <= t -> f t <= f s.
Proof.
move=> iI df neg s t Is It; rewrite le_eqVlt => /orP[/eqP->//|st].
have [c Ic E] := mean_value iI df Is It st.
by rewrite -subr_le0 E mulr_le0_ge0 ?neg // subr_ge0 ltW.
Qed.

Theorem nonnegative_derivative_nondecreasing I f f' : is_interval I -> derives I f f' ->
  (forall t, I t -> 0 <= f' t) -> forall s t, I s -> I t -> s <= t -> f s <= f t.
Proof.
move=> iI df pos s t Is It st; rewrite -ler_opp2.
apply: (nonpositive_derivative_nonincreasing iI (derivesN df)) => // r Ir.
by rewrite oppr_le0 pos.
Qed.

(* A quantity that solves h' = c h on an interval is an exponential. *)
Theorem linear_law I c h : is_interval I -> derives I h (fun t => c * h t) ->
  forall s t, I s -> I t -> h t = expR (c * (t - s)) * h s.
Proof.
move=> iI dh s t Is It.
pose k r := expR (- c * r).
have dk : derives I k (fun r => k r * (- c)).
  have lin : derives I (fun r => - c * r) (fun=> - c).
    by apply: derives_eq (@derivesZ I (- c) _ _ (@derives_id I)) _ => r Ir; rewrite mulr1.
  by apply: (derives_comp lin) => r Ir; exact: is_derive_expR.
have zero : derives I (fun r => k r * h r) (fun=> 0).
  by apply: derives_eq (derivesM dk dh) _ => r Ir; ring.
have := zero_derivative_constant iI zero Is It.
rewrite /k => E; rewrite mulrBr expRD -mulrA -[- (c * s)]mulNr E.
by rewrite mulrA mulNr expRxMexpNx_1 mul1r.
Qed.

End Scalars.

(* Reciprocals, logarithms, square roots and powers of functions, where they are differentiable. *)
Section Functions.
Variable R : realType.
Implicit Types (I : set R) (f : R -> R) (t : R).

Lemma derives_inv I f f' : derives I f f' -> (forall t, I t -> f t != 0) ->
  derives I (fun t => (f t)^-1) (fun t => - ((f t)^-1 * (f t)^-1) * f' t).
Proof.
move=> df f0; apply: (derives_comp (h := fun x => x^-1) (h' := fun x => - (x^-1 * x^-1)) df) => t It.
have := @is_deriveV R id (f t) 1 1 (f0 t It) (is_derive_id _ _).
by rewrite /GRing.scale /= mulr1 -exprVn expr2.
Qed.

Lemma derives_ln I f f' : derives I f f' -> (forall t, I t -> 0 < f t) ->
  derives I (fun t => ln (f t)) (fun t => (f t)^-1 * f' t).
Proof. by move=> df f0; apply: (derives_comp df) => t It; exact/is_derive1_ln/f0. Qed.

Lemma derives_sqrt I f f' : derives I f f' -> (forall t, I t -> 0 < f t) ->
  derives I (fun t => Num.sqrt (f t)) (fun t => (2%:R)^-1 * (Num.sqrt (f t))^-1 * f' t).
Proof.
move=> df f0 t It.
have rt : 0 < Num.sqrt (f t) by rewrite sqrtr_gt0 f0.
have cf : Num.sqrt (f s) @[s --> near_in I t] --> Num.sqrt (f t).
  by apply: continuous_cvg; [exact: sqrt_continuous|exact: derives_at_continuous (df t It)].
have nz0 : Num.sqrt (f t) != 0 by rewrite gt_eqF.
have nz : Num.sqrt (f t) + Num.sqrt (f t) != 0 by rewrite gt_eqF ?addr_gt0.
have c0 : Num.sqrt (f t) @[s --> near_in I t] --> Num.sqrt (f t) by exact: cvg_cst.
have lim : (f s - f t) / (s - t) * (Num.sqrt (f s) + Num.sqrt (f t))^-1 @[s --> near_in I t] -->
  f' t * (Num.sqrt (f t) + Num.sqrt (f t))^-1 by exact: (cvgM (df t It) (cvgV nz (cvgD cf c0))).
have -> : 2%:R^-1 * (Num.sqrt (f t))^-1 * f' t = f' t * (Num.sqrt (f t) + Num.sqrt (f t))^-1.
  by field; rewrite nz0 nz.
rewrite /derives_at; apply: cvg_trans lim; apply: near_eq_cvg.
apply: (@filterE _ (nbhs t)) => s [Is st] /=.
have rs : 0 < Num.sqrt (f s) by rewrite sqrtr_gt0 f0.
have pos : Num.sqrt (f s) + Num.sqrt (f t) != 0 by rewrite gt_eqF ?addr_gt0.
rewrite -[LHS]/((f s - f t) / (s - t) * (Num.sqrt (f s) + Num.sqrt (f t))^-1).
rewrite -{1}[f s]sqr_sqrtr ?(ltW (f0 s Is)) // -{1}[f t]sqr_sqrtr ?(ltW (f0 t It)) //.
by field; rewrite pos subr_eq0 st.
Qed.

Lemma derives_power I f f' n : derives I f f' ->
  derives I (fun t => f t ^+ n) (fun t => n%:R * f t ^+ n.-1 * f' t).
Proof.
move=> df; elim: n => [|n IH].
  by apply: derives_eq (@derives_cst R I 1) _ => t It; rewrite !mul0r.
apply: (@derives_ext R I (fun t => f t * f t ^+ n)) => [t|]; first by rewrite exprS.
apply: derives_eq (derivesM df IH) _ => t It; case: n {IH} => [|n] /=.
  by rewrite expr0 !mul0r; ring.
by rewrite exprS [n.+2%:R]mulrSr; ring.
Qed.

End Functions.

(* Steps of proofs of inequalities. *)
Section Signs.
Variable R : realType.
Implicit Types (a b x : R).

Lemma nonnegative_is a b : b = a -> 0 <= a -> 0 <= b. Proof. by move=> ->. Qed.
Lemma positive_is a b : b = a -> 0 < a -> 0 < b. Proof. by move=> ->. Qed.
Lemma square_ge0 x : 0 <= x * x. Proof. by rewrite -expr2 sqr_ge0. Qed.

End Signs.

(* Kronecker's delta, and sums over indices that it removes or that do not occur. *)
Section Indices.
Variables (K : comRingType) (n : nat).
Implicit Types (i j : 'I_n).

Definition delta i j : K := (i == j)%:R.

Lemma delta_self i : delta i i = 1. Proof. by rewrite /delta eqxx. Qed.
Lemma deltaC i j : delta i j = delta j i. Proof. by rewrite /delta eq_sym. Qed.

Lemma sum_delta i (f : 'I_n -> K) : \sum_(j < n) delta i j * f j = f i.
Proof.
rewrite (bigD1 i) //= delta_self mul1r big1 ?addr0 // => j ji.
by rewrite /delta eq_sym (negbTE ji) mul0r.
Qed.

Lemma sum_constant (c : K) : \sum_(j < n) c = n%:R * c.
Proof. by rewrite sumr_const card_ord mulr_natl. Qed.

End Indices.
Arguments delta K {n} i j.
Arguments deltaC {K n} i j.
Arguments sum_delta {K n} i f.

Section Transposes.
Variables (K : comRingType) (m n : nat).
Implicit Types (A B : 'M[K]_(m, n)).

Lemma trmxD A B : (A + B)^T = A^T + B^T. Proof. exact: linearD. Qed.
Lemma trmxN A : (- A)^T = - A^T. Proof. exact: linearN. Qed.
Lemma trmxZ c A : (c *: A)^T = c *: A^T. Proof. exact: linearZ. Qed.

End Transposes.

Section Matrices.
Variable R : realType.
Implicit Types (I : set R).

(* The derivative of a matrix is taken entry by entry. *)
Definition mderives m n I (A A' : R -> 'M[R]_(m, n)) :=
  forall i j, derives I (fun t => A t i j) (fun t => A' t i j).

Lemma mderives_eq m n I (A A' B' : R -> 'M[R]_(m, n)) :
  mderives I A A' -> (forall t, I t -> A' t = B' t) -> mderives I A B'.
Proof. by move=> dA e i j; apply: derives_eq (dA i j) _ => t It; rewrite e. Qed.

Lemma mderives_cst m n I (C : 'M[R]_(m, n)) : mderives I (fun=> C) (fun=> 0).
Proof. by move=> i j; apply: derives_eq (@derives_cst _ I (C i j)) _ => t It; rewrite mxE. Qed.

Lemma mderivesT m n I (A A' : R -> 'M[R]_(m, n)) :
  mderives I A A' -> mderives I (fun t => (A t)^T) (fun t => (A' t)^T).
Proof.
move=> dA i j; apply: (@derives_ext _ _ (fun t => A t j i)) => [t|]; first by rewrite mxE.
by apply: derives_eq (dA j i) _ => t It; rewrite mxE.
Qed.

Lemma mderivesD m n I (A B A' B' : R -> 'M[R]_(m, n)) : mderives I A A' -> mderives I B B' ->
  mderives I (fun t => A t + B t) (fun t => A' t + B' t).
Proof.
move=> dA dB i j; apply: (@derives_ext _ _ (fun t => A t i j + B t i j)) => [t|]; first by rewrite mxE.
by apply: derives_eq (derivesD (dA i j) (dB i j)) _ => t It; rewrite mxE.
Qed.

Lemma mderivesZ m n I c (A A' : R -> 'M[R]_(m, n)) : mderives I A A' ->
  mderives I (fun t => c *: A t) (fun t => c *: A' t).
Proof.
move=> dA i j; apply: (@derives_ext _ _ (fun t => c * A t i j)) => [t|]; first by rewrite mxE.
by apply: derives_eq (@derivesZ _ I c _ _ (dA i j)) _ => t It; rewrite mxE.
Qed.

Lemma mderivesB m n I (A B A' B' : R -> 'M[R]_(m, n)) : mderives I A A' -> mderives I B B' ->
  mderives I (fun t => A t - B t) (fun t => A' t - B' t).
Proof.
move=> dA dB i j; apply: (@derives_ext _ _ (fun t => A t i j - B t i j)) => [t|]; first by rewrite !mxE.
by apply: derives_eq (derivesB (dA i j) (dB i j)) _ => t It; rewrite !mxE.
Qed.

Lemma mderivesM m n p I (A A' : R -> 'M[R]_(m, n)) (B B' : R -> 'M[R]_(n, p)) :
  mderives I A A' -> mderives I B B' ->
  mderives I (fun t => A t *m B t) (fun t => A' t *m B t + A t *m B' t).
Proof.
move=> dA dB i j.
apply: (@derives_ext _ _ (fun t => \sum_l A t i l * B t l j)) => [t|]; first by rewrite mxE.
apply: derives_eq (derives_sum (fun l => derivesM (dA i l) (dB l j))) _ => t It.
by rewrite !mxE big_split.
Qed.

Theorem matrix_zero_derivative_constant m n I (A : R -> 'M[R]_(m, n)) : is_interval I ->
  mderives I A (fun=> 0) -> forall s t, I s -> I t -> A s = A t.
Proof.
move=> iI dA s t Is It; apply/matrixP => i j.
apply: (@zero_derivative_constant _ I (fun r => A r i j) iI _ s t Is It);
by apply: derives_eq (dA i j) _ => r Ir; rewrite mxE.
Qed.

Theorem matrix_linear_law m n I c (H : R -> 'M[R]_(m, n)) : is_interval I ->
  mderives I H (fun t => c *: H t) ->
  forall s t, I s -> I t -> H t = expR (c * (t - s)) *: H s.
Proof.
move=> iI dH s t Is It; apply/matrixP => i j; rewrite mxE.
apply: (@linear_law _ I c (fun r => H r i j) iI _ s t Is It);
by apply: derives_eq (dH i j) _ => r Ir; rewrite mxE.
Qed.

End Matrices.

Print Assumptions zero_derivative_constant.
Print Assumptions nonpositive_derivative_nonincreasing.
Print Assumptions nonnegative_derivative_nondecreasing.
Print Assumptions linear_law.
Print Assumptions matrix_zero_derivative_constant.
Print Assumptions matrix_linear_law.
